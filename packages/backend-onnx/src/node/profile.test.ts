import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { conv2d, deriveKey, float32Array, type HostArray, keyFromSeed, normalArray, relu, type Shape, sizeOf, trace, weightsFromArrays } from '@tesserae/core';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createNodeOnnxBackend } from './index.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-profile-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const random = (shape: Shape, name: string): HostArray => float32Array(shape, normalArray(deriveKey(keyFromSeed(5), name), sizeOf(shape)));

it('a profile names the operators that ran: convolutions with their ReLUs inside', async () => {
  const backend = await createNodeOnnxBackend({ threads: 1, profile: join(folder, 'run') });
  const graph = trace('two convolutions', (scope) => {
    const hidden = relu(conv2d(scope.input('x', [1, 16, 8, 8]), scope.constant('first', [16, 16, 3, 3]), { padding: 1 }));
    scope.output('y', relu(conv2d(hidden, scope.constant('second', [16, 16, 3, 3]), { padding: 1 })));
  });
  const weights = weightsFromArrays(new Map(['first', 'second'].map((name) => [name, random([16, 16, 3, 3], name)])));
  const program = await backend.compile(graph, { weights });
  await program.run({ x: random([1, 16, 8, 8], 'x') });
  expect(await readdir(folder)).toHaveLength(1);
  program.dispose();
  const [file = ''] = await readdir(folder);
  expect(file).toMatch(/^run-1-two-convolutions_.*\.json$/);
  const events = JSON.parse(await readFile(join(folder, file), 'utf8')) as { readonly cat: string; readonly name: string; readonly args: { readonly op_name?: string } }[];
  const operators = events.flatMap(({ cat, name, args }) => (cat === 'Node' && name.endsWith('_kernel_time') ? [args.op_name] : []));
  expect(operators.filter((name) => name?.includes('Conv'))).toHaveLength(2);
  expect(operators).not.toContain('Relu');
  expect(operators).not.toContain('Max');
  await backend.dispose();
});
