import {
  add,
  createParameterTree,
  deriveKey,
  float32Array,
  type Graph,
  gather,
  type HostArray,
  keyFromSeed,
  linear,
  loop,
  matMul,
  normalArray,
  quantiseWeights,
  type Shape,
  sizeOf,
  type Tensor,
  type TraceScope,
  trace,
  type WeightSource,
  weightsFromArrays,
} from '@tesserae/core';
import { createReferenceBackend } from '@tesserae/core/reference';
import { describe, expect, it } from 'vitest';
import { openOnnx } from '../__fixtures__/engines.js';
import { productConstants } from './quantised-products.js';

const random = (shape: Shape, name: string): HostArray => float32Array(shape, normalArray(deriveKey(keyFromSeed(4), name), sizeOf(shape)));

/** A layer of `features` on [batch, inputs]. */
const layerOn = (scope: TraceScope, x: Tensor, features: number, bias: boolean): Tensor =>
  linear(createParameterTree(scope, 'constant').root.child('layer'), x, { features, initializer: { kind: 'zeros' }, bias });

function weightsOf(graph: Graph): ReadonlyMap<string, HostArray> {
  return new Map(graph.nodes.flatMap((node) => (node.operation === 'constant' ? [[node.attributes.name, random(node.shape, node.attributes.name)] as const] : [])));
}

async function run(graph: Graph, weights: WeightSource, backend: Awaited<ReturnType<typeof openOnnx>>, inputs: Readonly<Record<string, HostArray>>): Promise<Float32Array> {
  const program = await backend.compile(graph, { weights });
  try {
    const { y } = await program.run(inputs);
    return Float32Array.from(y?.data ?? []);
  } finally {
    program.dispose();
  }
}

/** Root of the mean square of a − b as a share of b's. */
function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [difference, size] = [0, 0];
  for (let index = 0; index < b.length; index += 1) {
    difference += ((a[index] ?? 0) - (b[index] ?? 0)) ** 2;
    size += (b[index] ?? 0) ** 2;
  }
  return Math.sqrt(difference / size);
}

describe.each([8, 4] as const)('products with matrices in %i bits', (bits) => {
  it.each([
    [1, 64, 48, true],
    [1, 64, 48, false],
    [7, 96, 33, true],
    // The last block of a row is not full.
    [3, 40, 16, true],
    [2, 20, 5, false],
    // More rows than are multiplied one by one.
    [17, 200, 12, true],
  ] as const)('of [%i, %i] inputs and %i outputs, bias %s, are those of the weights that the codes stand for', async (batch, inputs, features, bias) => {
    const graph = trace('layer', (scope) => scope.output('y', layerOn(scope, scope.input('x', [batch, inputs]), features, bias)));
    const arrays = weightsOf(graph);
    const x = random([batch, inputs], 'x');
    const source = quantiseWeights(weightsFromArrays(arrays), bits, new Set(['layer.weight']));
    const [made, expected, exact] = [
      await run(graph, source, await openOnnx(), { x }),
      await run(graph, source, createReferenceBackend(), { x }),
      await run(graph, weightsFromArrays(arrays), createReferenceBackend(), { x }),
    ];
    // The operator rounds its left side to 8 bits too: an error of about 1/127/√12 of a block's largest value.
    expect(relativeError(made, expected)).toBeLessThan(0.01);
    // And it did run on codes: 8 bits change a little, 4 bits much more than that.
    expect(relativeError(made, exact)).toBeGreaterThan(bits === 8 ? 0.001 : 0.02);
    expect(relativeError(made, exact)).toBeLessThan(bits === 8 ? 0.02 : 0.15);
  });

  it('in a loop read the codes from outside', async () => {
    const graph = trace('loop', (scope) => {
      const x = scope.input('x', [2, 64]);
      const { carried } = loop(scope, 3, [x], (_, [value = x]) => ({ carried: [add(value, layerOn(scope, value, 64, true))] }));
      scope.output('y', carried[0] ?? x);
    });
    const source = quantiseWeights(weightsFromArrays(weightsOf(graph)), bits, new Set(['layer.weight']));
    const x = random([2, 64], 'x');
    expect(relativeError(await run(graph, source, await openOnnx(), { x }), await run(graph, source, createReferenceBackend(), { x }))).toBeLessThan(0.02);
  });

  it('are plain ones where the matrix is also looked up in', async () => {
    const graph = trace('tied', (scope) => {
      const table = scope.constant('table', [12, 64]);
      scope.output('y', matMul(gather(table, scope.input('ids', [3], 'int32')), table, { transposeB: true }));
    });
    const source = quantiseWeights(weightsFromArrays(weightsOf(graph)), bits, new Set(['table']));
    const ids: HostArray = { dtype: 'int32', shape: [3], data: Int32Array.of(1, 5, 11) };
    expect(relativeError(await run(graph, source, await openOnnx(), { ids }), await run(graph, source, createReferenceBackend(), { ids }))).toBeLessThan(1e-6);
  });
});

describe('products with a matrix in 8 bits', () => {
  it.each([4, 20])('give each of %i rows the same as alone', async (count) => {
    const layer = (rows: number): Graph => trace('layer', (scope) => scope.output('y', layerOn(scope, scope.input('x', [rows, 64]), 48, true)));
    const source = quantiseWeights(weightsFromArrays(weightsOf(layer(1))), 8, new Set(['layer.weight']));
    // The third row is a hundred times as large: one scale for all would leave the others few steps.
    const x = float32Array(
      [count, 64],
      Float32Array.from(random([count, 64], 'x').data, (value, index) => (Math.floor(index / 64) === 2 ? 100 * value : value)),
    );
    const together = await run(layer(count), source, await openOnnx(), { x });
    for (let row = 0; row < count; row += 1) {
      const alone = await run(layer(1), source, await openOnnx(), { x: float32Array([1, 64], x.data.slice(64 * row, 64 * (row + 1)) as Float32Array) });
      alone.forEach((value, index) => {
        const found = together[48 * row + index] ?? Number.NaN;
        if (count === 4) expect(found).toBe(value);
        else expect(Math.abs(found - value)).toBeLessThan(1e-6 * (1 + Math.abs(value)));
      });
    }
  });

  it('lose nothing where all codes and activations are at their largest', async () => {
    const graph = trace('layer', (scope) => scope.output('y', layerOn(scope, scope.input('x', [1, 256]), 32, false)));
    const source = quantiseWeights(weightsFromArrays(new Map([['layer.weight', float32Array([32, 256], new Float32Array(32 * 256).fill(0.5))]])), 8, new Set(['layer.weight']));
    const made = await run(graph, source, await openOnnx(), { x: float32Array([1, 256], new Float32Array(256).fill(1)) });
    expect(Array.from(made)).toEqual(Array<unknown>(32).fill(expect.closeTo(128, 2)));
  });
});

describe('the constants that may be codes', () => {
  it('are those that nothing but layers read, in loops too', () => {
    const graph = trace('uses', (scope) => {
      const x = scope.input('x', [4, 8]);
      const [layer, looped, both, plain, carried, result] = ['layer', 'looped', 'both', 'plain', 'carried', 'result'].map((name) => scope.constant(name, [8, 8]));
      const product = (a: Tensor, b: Tensor | undefined): Tensor => (b === undefined ? a : matMul(a, b, { transposeB: true }));
      if (both === undefined || plain === undefined || carried === undefined || result === undefined) return;
      const first = add(product(x, layer), matMul(product(x, both), plain));
      const { carried: after } = loop(scope, 2, [first, carried], (_, [value = first, matrix = carried]) => ({
        carried: [product(product(product(value, looped), matrix), result), add(matrix, both)],
      }));
      scope.output('y', after[0] ?? first);
      scope.output('result', result);
    });
    expect([...productConstants(graph)].sort()).toEqual(['layer', 'looped']);
  });
});
