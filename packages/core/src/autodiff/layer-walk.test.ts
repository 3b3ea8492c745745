import { describe, expect, it } from 'vitest';
import { evaluateGraph } from '../backend/reference/index.js';
import { type Graph, nodeAt, type Tensor, trace } from '../graph/index.js';
import * as ops from '../ops/index.js';
import { lastUses, prepareGraph } from '../passes/index.js';
import { deriveKey, keyFromSeed, normalArray } from '../random/index.js';
import { bytesPerElement, float32Array, sizeOf } from '../tensor/index.js';
import { gradients } from './index.js';
import { afterAll } from './layer-walk.js';

const layers = 6;
const width = 8;
const rows = 32;
const key = keyFromSeed(2);
const inputs = {
  x: float32Array([rows, width], normalArray(deriveKey(key, 'x'), rows * width)),
  weights: float32Array(
    [layers, width, 4 * width],
    normalArray(deriveKey(key, 'weights'), layers * width * 4 * width).map((value) => 0.3 * value),
  ),
};

/** Residual layers that keep far more inside than between them; one matrix of them is shared by all. */
function network(way: 'kept' | 'ordered' | 'cheap' | 'again'): Graph {
  return prepareGraph(
    trace('layers', (scope) => {
      const input = scope.input('x', [rows, width]);
      const all = scope.input('weights', [layers, width, 4 * width]);
      const matrices = Array.from({ length: layers }, (_, layer) => ops.reshape(ops.sliceAxis(all, 0, layer, 1), [width, 4 * width]));
      const [shared = all] = matrices;
      const checkpoints: Tensor[][] = [[input]];
      let x = input;
      for (const matrix of matrices) {
        const hidden = ops.gelu(ops.matMul(ops.layerNorm(x, ops.reduceMean(matrix, { axes: [1] }), ops.reduceMean(shared, { axes: [1] })), matrix));
        x = ops.add(x, ops.matMul(ops.softmax(ops.multiply(hidden, ops.sigmoid(hidden))), shared, { transposeB: true }));
        checkpoints.push([x]);
      }
      const loss = ops.reduceSum(ops.sin(x));
      const pulled = gradients(loss, [input, ...matrices], way === 'kept' ? {} : { checkpoints, recompute: ({ ordered: 'none', cheap: 'cheap', again: 'all' } as const)[way] });
      pulled.forEach((gradient, index) => scope.output(`gradient ${index}`, gradient));
    }),
    { composites: new Set() },
  );
}

/** Most bytes of values made on the way that live at once where each is freed after its last reader. */
function peakBytes(graph: Graph): number {
  const bytes = (node: number): number => {
    const { operation, shape, dtype } = nodeAt(graph, node);
    return operation === 'input' || operation === 'literal' ? 0 : sizeOf(shape) * bytesPerElement[dtype];
  };
  let [live, peak] = [0, 0];
  lastUses(graph).forEach((freed, node) => {
    live += bytes(node);
    peak = Math.max(peak, live);
    for (const dead of freed) live -= bytes(dead);
  });
  return peak;
}

describe('computing inner values again', () => {
  const [kept, again] = [network('kept'), network('again')];

  it('gives the same gradients to the bit', () => {
    const [expected, actual] = [evaluateGraph(kept, { inputs }).outputs, evaluateGraph(again, { inputs }).outputs];
    expect(Object.keys(actual)).toHaveLength(1 + layers);
    expect(actual).toEqual(expected);
  });

  it('keeps one layer’s inner values instead of all', () => {
    expect(peakBytes(again)).toBeLessThan(peakBytes(kept) / 2.5);
  });

  it('computes each layer once more, nothing twice more, and survives passes', () => {
    const products = (graph: Graph): number => graph.nodes.filter(({ operation }) => operation === 'matMul').length;
    // Two forward and four backward a layer; the second product's value is not needed again.
    expect(products(kept)).toBe(6 * layers);
    expect(products(again)).toBe(7 * layers);
    expect(prepareGraph(again, { composites: new Set() })).toEqual(again);
  });
});

describe('computing cheap values again', () => {
  const [kept, cheap] = [network('kept'), network('cheap')];

  it('gives the same gradients to the bit', () => {
    expect(evaluateGraph(cheap, { inputs }).outputs).toEqual(evaluateGraph(kept, { inputs }).outputs);
  });

  it('keeps less, and computes no product twice', () => {
    const count = (graph: Graph, operation: string): number => graph.nodes.filter((node) => node.operation === operation).length;
    expect(peakBytes(cheap)).toBeLessThan(peakBytes(network('ordered')) * 0.96);
    expect(count(cheap, 'matMul')).toBe(count(kept, 'matMul'));
    expect(prepareGraph(cheap, { composites: new Set() })).toEqual(cheap);
  });
});

describe('going back layer by layer', () => {
  it('gives the same gradients to the bit', () => {
    expect(evaluateGraph(network('ordered'), { inputs }).outputs).toEqual(evaluateGraph(network('kept'), { inputs }).outputs);
  });

  it('lets no layer begin before all weights behind it have their gradients, in any order that the edges allow', () => {
    const graph = network('ordered');
    const before = (node: number, seen = new Set<number>()): Set<number> => {
      for (const input of nodeAt(graph, node).inputs) if (!seen.has(input)) before(input, seen.add(input));
      return seen;
    };
    // Results are the gradients of the input and then of each layer's matrix.
    const [, ...weights] = graph.outputs.map(({ node }) => node);
    for (let layer = 1; layer < layers - 1; layer += 1) expect(before(weights[layer] ?? -1).has(weights[layer + 1] ?? -1), `layer ${layer}`).toBe(true);
  });
});

describe('afterAll', () => {
  it('is the value to the bit, whatever it waits for, and no node that another could be merged with', () => {
    for (const other of [1, -1, 0, Number.NaN, Number.POSITIVE_INFINITY]) {
      const graph = prepareGraph(
        trace('after', (scope) => {
          const x = scope.input('x', [3]);
          scope.output('y', ops.sin(afterAll(x, [scope.input('other', [2, 2]), scope.input('empty', [0])])));
          scope.output('z', ops.sin(x));
        }),
        { composites: new Set() },
      );
      expect(graph.nodes.filter(({ operation }) => operation === 'sin')).toHaveLength(2);
      const x = float32Array([3], [Number.NaN, -0, 7]);
      const { y, z } = evaluateGraph(graph, { inputs: { x, other: float32Array([2, 2], [other, 0, 0, 0]), empty: float32Array([0], []) } }).outputs;
      expect(y).toEqual(z);
    }
  });
});
