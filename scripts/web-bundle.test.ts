import { builtinModules } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants } from 'node:zlib';
import { type BuildOptions, build } from 'esbuild';
import { describe, expect, it } from 'vitest';

const packages = join(dirname(fileURLToPath(import.meta.url)), '..', 'packages');
/** The engines themselves are the application's choice, and loaded by it. */
const engines = ['onnxruntime-*', '@tensorflow/*'];

async function bundle(names: readonly string[], options: BuildOptions = {}): Promise<{ code: Uint8Array; sources: string[]; imports: string[] }> {
  const { outputFiles = [], metafile } = await build({
    // The package that depends on all others: the root of the workspace depends on none.
    stdin: { contents: names.map((name) => `export * as ${name.replace(/\W/g, '_')} from '@tesserae/${name}';`).join('\n'), resolveDir: join(packages, 'cli'), loader: 'ts' },
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    conditions: ['tesserae-source'],
    external: engines,
    bundle: true,
    write: false,
    metafile: true,
    logLevel: 'silent',
    ...options,
  });
  const imports = [...Object.values(metafile?.inputs ?? {}), ...Object.values(metafile?.outputs ?? {})].flatMap((part) => part.imports.map(({ path }) => path));
  return { code: outputFiles[0]?.contents ?? new Uint8Array(0), sources: Object.keys(metafile?.inputs ?? {}), imports };
}

describe('in the browser', () => {
  it('everything but the command line bundles, without a module of Node', async () => {
    const names = ['core', 'backend-onnx', 'backend-tfjs-gpu', 'dvae', 'transformer', 'plugins'];
    const { code, sources, imports } = await bundle(names);
    for (const name of names)
      expect(
        sources.some((source) => source.includes(`packages/${name}/src/`)),
        name,
      ).toBe(true);
    const builtin = new Set(builtinModules);
    expect([...sources, ...imports].filter((path) => path.startsWith('node:') || builtin.has(path))).toEqual([]);
    expect(sources.filter((source) => /packages\/[\w-]+\/src\/node\//.test(source))).toEqual([]);
    expect(new TextDecoder().decode(code)).not.toMatch(/['"`]node:/);
  });

  it('core, transformer and dvae stay small', async () => {
    const { code } = await bundle(['core', 'transformer', 'dvae'], { minify: true });
    const compressed = brotliCompressSync(code, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length;
    expect(compressed, `${(compressed / 1000).toFixed(1)} KB compressed of ${(code.length / 1000).toFixed(1)} KB minified`).toBeLessThan(65_000);
    expect(compressed).toBeGreaterThan(10_000);
  });
});
