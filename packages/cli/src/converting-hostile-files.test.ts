import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand } from './__fixtures__/run-command.js';

const hostile = fileURLToPath(new URL('../../importers/src/__fixtures__/malicious/', import.meta.url));
const { files } = JSON.parse(readFileSync(join(hostile, 'meta.json'), 'utf8')) as { readonly files: readonly { readonly file: string; readonly canary: string | null }[] };

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-hostile-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('tesserae convert, given a hostile or broken file', () => {
  // The controls are sound files, but no whole models: they end in a clear line as well.
  it.each(files)('$file: ends with 1 and one line, and writes nothing', async ({ file, canary }) => {
    const before = readdirSync(hostile);
    const out = join(folder, 'model');
    const { code, stdout, stderr } = await runCommand(['convert', join(hostile, file), '--out', out]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^tesserae: [^\n]+\.\n$/);
    expect(stderr).toContain(file);
    // Only errors that nobody thought of ask for this.
    expect(stderr).not.toContain('--verbose');
    expect(await readdir(folder)).toEqual([]);
    expect(readdirSync(hostile)).toEqual(before);
    if (canary !== null) expect(existsSync(canary)).toBe(false);
  });

  it.each([
    ['reduce-os-system.pkl', 'system'],
    ['missing-and-misshaped.pt', "'weights.codebook.weight' has the shape [2, 3] where the configuration wants [8, 4]"],
    ['nan-weights.pt', 'no known kind'],
  ])('%s: the line says what is wrong', async (file, problem) => {
    const { stderr } = await runCommand(['convert', join(hostile, file), '--out', join(folder, 'model')]);
    expect(stderr).toContain(problem);
  });

  it.each(files)('$file: inspect neither runs it nor breaks', async ({ file, canary }) => {
    const { code, stderr } = await runCommand(['inspect', join(hostile, file)]);
    expect([0, 1]).toContain(code);
    if (code === 1) expect(stderr).toMatch(/^tesserae: [^\n]+\.\n$/);
    if (canary !== null) expect(existsSync(canary)).toBe(false);
  });
});
