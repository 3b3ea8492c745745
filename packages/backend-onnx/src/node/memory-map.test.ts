import { mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { add, deriveKey, float32Array, type HostArray, keyFromSeed, matMul, normalArray, type Program, trace, type WeightSource, weightsFromArrays } from '@tesserae/core';
import { openSafetensorsFile, writeSafetensorsFile } from '@tesserae/core/node';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OnnxRuntime } from '../runtime.js';
import { createNodeOnnxBackend } from './index.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-test-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const random = (shape: readonly [number, number], name: string): HostArray => float32Array(shape, normalArray(deriveKey(keyFromSeed(2), name), shape[0] * shape[1]));
// Large enough to be mapped (1 MiB and more), beside one that is copied.
const arrays = new Map([
  ['large', random([512, 600], 'large')],
  ['small', random([1, 512], 'small')],
]);
const graph = trace('mapped', (scope) =>
  scope.output('y', add(matMul(scope.input('x', [3, 600]), scope.constant('large', [512, 600]), { transposeB: true }), scope.constant('small', [1, 512]))),
);
const x = random([3, 600], 'x');

/** A backend, and the size of the model it made last. */
async function compiled(memoryMap: boolean, weights: WeightSource): Promise<{ program: Program; modelBytes: number }> {
  let modelBytes = 0;
  const runtime: OnnxRuntime = {
    Tensor: Tensor as unknown as OnnxRuntime['Tensor'],
    InferenceSession: {
      create: (model, options) => {
        modelBytes = model.length;
        return InferenceSession.create(model as Uint8Array, options) as unknown as ReturnType<OnnxRuntime['InferenceSession']['create']>;
      },
    },
  };
  const backend = await createNodeOnnxBackend({ threads: 1, memoryMap, runtime });
  const program = await backend.compile(graph, { weights });
  return { program, modelBytes };
}

const largest = (a: HostArray | undefined, b: HostArray | undefined): number =>
  Math.max(...Array.from(a?.data ?? [], (value, index) => Math.abs(value - (b?.data[index] ?? Number.NaN))));

describe('weights mapped out of their file', () => {
  it('give the same results as copied ones, and are not in the model', async () => {
    const path = join(folder, 'model.safetensors');
    await writeSafetensorsFile(path, arrays);
    const copied = await compiled(false, await openSafetensorsFile(path));
    const mapped = await compiled(true, await openSafetensorsFile(path));
    expect(copied.modelBytes).toBeGreaterThan(512 * 600 * 4);
    // The small one is in it, the large one is not.
    expect(mapped.modelBytes).toBeGreaterThan(512 * 4);
    expect(mapped.modelBytes).toBeLessThan(10_000);
    const [one, two] = [await copied.program.run({ x }), await mapped.program.run({ x })];
    expect(two.y?.shape).toEqual([3, 512]);
    expect(largest(one.y, two.y)).toBeLessThan(1e-4);
    // The kernel's own word for it.
    if (process.platform === 'linux') expect(await readFile('/proc/self/maps', 'utf8')).toContain(path);
    mapped.program.dispose();
    copied.program.dispose();
  });

  it('leave nothing behind, neither beside the weights nor among temporary files', async () => {
    const path = join(folder, 'model.safetensors');
    await writeSafetensorsFile(path, arrays);
    const temporary = async (): Promise<string[]> => (await readdir(tmpdir())).filter((name) => name.startsWith('tesserae-') && !name.startsWith('tesserae-test-'));
    const before = await temporary();
    const { program } = await compiled(true, await openSafetensorsFile(path));
    expect(await readdir(folder)).toEqual(['model.safetensors']);
    expect(await temporary()).toEqual(before);
    program.dispose();
  });

  it('may lie behind a link, or in several folders', async () => {
    const [large, small] = [join(folder, 'blobs', 'a', '1234'), join(folder, 'blobs', 'b', 'other.safetensors')];
    await writeSafetensorsFile(large, new Map([['large', random([512, 600], 'large')]]));
    await writeSafetensorsFile(small, new Map([['second', random([512, 512], 'second')]]));
    await symlink(large, join(folder, 'model.safetensors'));
    const [one, two] = [await openSafetensorsFile(join(folder, 'model.safetensors')), await openSafetensorsFile(small)];
    const both: WeightSource = {
      types: new Map([...one.types, ...two.types]),
      read: (name) => (one.types.has(name) ? one : two).read(name),
      location: (name) => (one.types.has(name) ? one : two).location?.(name),
    };
    const chain = trace('chain', (scope) => {
      const hidden = matMul(scope.input('x', [3, 600]), scope.constant('large', [512, 600]), { transposeB: true });
      scope.output('y', matMul(hidden, scope.constant('second', [512, 512])));
    });
    const run = async (memoryMap: boolean): Promise<HostArray | undefined> =>
      (await (await createNodeOnnxBackend({ threads: 1, memoryMap })).compile(chain, { weights: both })).run({ x }).then(({ y }) => y);
    expect(largest(await run(false), await run(true))).toBeLessThan(1e-2);
  });

  it('are copied when they lie in no file', async () => {
    const { program, modelBytes } = await compiled(true, weightsFromArrays(arrays));
    expect(modelBytes).toBeGreaterThan(512 * 600 * 4);
    expect((await program.run({ x })).y?.shape).toEqual([3, 512]);
    program.dispose();
  });
});
