import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createReferenceBackend } from '@tesserae/core/reference';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCommand } from './__fixtures__/run-command.js';
import { openBackend } from './backends.js';
import { modelFolder } from './command.js';
import { parseConfiguration, readConfiguration } from './configuration-file.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-configuration-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('tesserae.config', () => {
  it('may be TypeScript, JavaScript of both kinds, or JSON', async () => {
    for (const [name, text] of [
      ['tesserae.config.json', '{ "backend": "tfjs-gpu:wasm" }'],
      ['tesserae.config.cjs', "module.exports = { backend: 'reference' };"],
      ['tesserae.config.mjs', "export default { model: './mine' };"],
      ['tesserae.config.ts', 'interface Two { readonly name: string }\nconst backend: Two = { name: "onnx" } satisfies Two;\nexport default { backend };'],
    ] as const) {
      await writeFile(join(folder, name), text);
    }
    expect(await readConfiguration(folder)).toEqual({ backend: { name: 'onnx' } });
    expect(await readConfiguration(folder, 'tesserae.config.mjs')).toEqual({ model: './mine' });
    expect(await readConfiguration(folder, 'tesserae.config.cjs')).toEqual({ backend: 'reference' });
    expect(await readConfiguration(folder, 'tesserae.config.json')).toEqual({ backend: 'tfjs-gpu:wasm' });
  });

  it('is empty where there is none', async () => {
    expect(await readConfiguration(folder)).toEqual({});
  });

  it.each<[string, unknown, string]>([
    ['an unknown field', { engine: 'onnx' }, "unknown field 'engine'"],
    ['no object', [], 'exports no object'],
    ['a backend that is a number', { backend: 3 }, 'sets backend to 3'],
    ['a model that is no folder', { model: 3 }, 'sets model to 3'],
    ['plugins that are none', { plugins: [{ name: 'tiling' }] }, 'no list of plugins'],
  ])('with %s is refused in one line that names it', (_, source, problem) => {
    expect(() => parseConfiguration(source, 'tesserae.config.ts')).toThrow(expect.objectContaining({ code: 'invalid-argument', message: expect.stringContaining(problem) }));
  });

  it('that does not compile, or is not there, ends a command with one line', async () => {
    await writeFile(join(folder, 'tesserae.config.ts'), 'export default {');
    for (const [words, problem] of [
      [['backends'], 'tesserae.config.ts could not be read'],
      [['backends', '--config', 'other.ts'], 'There is no file other.ts'],
    ] as const) {
      const { code, stderr } = await runCommand(words, { workingFolder: folder });
      expect({ code, lines: stderr.trim().split('\n').length }).toEqual({ code: 1, lines: 1 });
      expect(stderr).toContain(problem);
    }
  });

  it('names the backend unless the command line or TESSERAE_BACKEND does', async () => {
    const opened = async (options: Record<string, string>, environment: Record<string, string>, backend: Parameters<typeof parseConfiguration>[0]) => {
      const found = await openBackend({ options, environment, configuration: parseConfiguration({ backend }, 'tesserae.config.ts') });
      await found.dispose();
      return `${found.name} ${found.device}`;
    };
    expect(await opened({}, {}, 'reference')).toBe('reference cpu');
    expect(await opened({}, {}, [{ name: 'tfjs-gpu', device: 'telepathy' }, 'reference'])).toBe('reference cpu');
    expect(await opened({}, {}, 'tfjs-gpu:cpu')).toBe('tfjs-gpu cpu');
    expect(await opened({ device: 'wasm' }, {}, 'tfjs-gpu:cpu')).toBe('tfjs-gpu wasm');
    expect(await opened({ device: 'wasm' }, {}, { name: 'tfjs-gpu', device: 'cpu' })).toBe('tfjs-gpu wasm');
    expect(await opened({}, { TESSERAE_BACKEND: 'reference' }, 'onnx')).toBe('reference cpu');
    expect(await opened({ backend: 'reference' }, { TESSERAE_BACKEND: 'tfjs-gpu' }, 'onnx')).toBe('reference cpu');
    const instance = createReferenceBackend();
    expect(await openBackend({ options: {}, environment: {}, configuration: { backend: instance } })).toBe(instance);
  });

  it('names the model unless --model does', () => {
    expect(modelFolder({ options: {}, configuration: {} })).toBe('model');
    expect(modelFolder({ options: {}, configuration: { model: './mine' } })).toBe('./mine');
    expect(modelFolder({ options: { model: './other' }, configuration: { model: './mine' } })).toBe('./other');
  });
});
