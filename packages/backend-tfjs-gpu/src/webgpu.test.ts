import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WebGpuReport } from './__fixtures__/webgpu-report.js';

/** SwiftShader, a Vulkan device in software: where Debian's package chromium puts it, with the Vulkan loader beside it. */
const swiftShader = '/usr/lib/chromium/vk_swiftshader_icd.json';

const here = dirname(fileURLToPath(import.meta.url));

/** A process of its own: Vulkan reads its environment when it is loaded, and what Dawn does at exit stays outside the test runner. */
async function runReport(folder: string, environment: Readonly<Record<string, string>>): Promise<WebGpuReport> {
  const file = join(folder, 'report.json');
  const script = join(here, '__fixtures__', 'webgpu-report.ts');
  await promisify(execFile)(process.execPath, ['--conditions=tesserae-source', '--import', 'tsx', script, file], {
    cwd: join(here, '..', '..', '..'),
    env: { ...process.env, ...environment },
    // Fifteen seconds of computing in software; a machine that does other things too may take many times that.
    timeout: 540_000,
  });
  return JSON.parse(await readFile(file, 'utf8')) as WebGpuReport;
}

/** The machine's own adapter, or else SwiftShader where it is installed and nobody has configured another. */
async function findReport(folder: string): Promise<WebGpuReport> {
  const own = await runReport(folder, {});
  const { VK_ICD_FILENAMES, VK_DRIVER_FILES, LD_LIBRARY_PATH } = process.env;
  if (own.adapter || VK_ICD_FILENAMES !== undefined || VK_DRIVER_FILES !== undefined || !existsSync(swiftShader)) return own;
  return runReport(folder, {
    VK_ICD_FILENAMES: swiftShader,
    VK_DRIVER_FILES: swiftShader,
    LD_LIBRARY_PATH: [LD_LIBRARY_PATH, dirname(swiftShader)].filter(Boolean).join(':'),
  });
}

describe('tfjs-gpu on WebGPU in Node', () => {
  let folder = '';
  let report: WebGpuReport = { adapter: false, reason: 'it has not run' };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tesserae-webgpu-'));
    report = await findReport(folder);
    if (report.adapter) console.info(`WebGPU was tested: ${report.description}`);
    else console.warn(`WebGPU was NOT tested, because this machine has no adapter (${report.reason}). Debian's package chromium brings one in software.`);
  }, 600_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('passes the conformance suite', ({ skip }) => {
    if (!report.adapter) return skip(report.reason);
    expect(report.conformance.length).toBeGreaterThan(300);
    expect(report.conformance.filter(({ status }) => status !== 'passed')).toEqual([]);
  });

  it('does what TensorFlow.js does not do by itself', ({ skip }) => {
    if (!report.adapter) return skip(report.reason);
    expect(Object.entries(report.difficult).filter(([, difference]) => !(Number(difference) < 2e-5))).toEqual([]);
  });

  it('leaves no tensor behind', ({ skip }) => {
    if (!report.adapter) return skip(report.reason);
    expect(report.tensorsLeft).toBe(0);
  });
});
