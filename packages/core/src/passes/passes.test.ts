import { describe, expect, it } from 'vitest';
import { evaluateGraph } from '../backend/reference/index.js';
import { type Graph, isComposite, loop, type Node, nodeAt, printGraph, type Tensor, type TraceScope, trace } from '../graph/index.js';
import * as ops from '../ops/index.js';
import { deriveKey, keyFromSeed, normalArray, uniformInteger } from '../random/index.js';
import { float32Array, type HostArray } from '../tensor/index.js';
import { decomposeComposites, lastUses, neededNodes, prepareGraph, rewriteGraph, valueOverNothing } from './index.js';

const primitivesOnly = { composites: new Set<never>() };
const operationsOf = (graph: Graph): string[] => graph.nodes.map(({ operation }) => operation);

/** A random graph of elementwise operations over a few inputs, some of its nodes dead, some given twice. */
function randomGraph(seed: number): Graph {
  const key = keyFromSeed(seed);
  return trace(`random ${seed}`, (scope) => {
    const values: Tensor[] = [scope.input('a', [3]), scope.input('b', [3]), scope.state('s', [3])];
    const pick = (index: number, choice: string): Tensor => values[uniformInteger(deriveKey(key, choice), values.length, index)] ?? scope.input('a', [3]);
    for (let index = 0; index < 25; index += 1) {
      const [left, right] = [pick(index, 'left'), pick(index, 'right')];
      const makers = [() => ops.add(left, right), () => ops.multiply(left, 0.5), () => ops.sin(left), () => ops.softmax(left), () => ops.maximum(left, right)];
      values.push((makers[uniformInteger(deriveKey(key, 'operation'), makers.length, index)] ?? (() => left))());
    }
    scope.output('first', pick(100, 'left'));
    scope.output('second', pick(101, 'left'));
    scope.output('last', values[values.length - 1] ?? pick(102, 'left'));
    scope.assign('s', pick(103, 'left'));
  });
}

const valuesOf = (seed: number): { inputs: Record<string, HostArray>; state: Map<string, HostArray> } => {
  const array = (name: string): HostArray => float32Array([3], normalArray(deriveKey(keyFromSeed(seed), name), 3));
  return { inputs: { a: array('a'), b: array('b') }, state: new Map([['s', array('s')]]) };
};

describe('rewriting a graph', () => {
  const identity = (graph: Graph): Graph => rewriteGraph(graph, () => undefined);

  it('drops what no result needs, but keeps inputs: they are the signature', () => {
    const graph = trace('dead', (scope) => {
      const [x] = [scope.input('x', [2]), scope.input('unused', [2]), scope.state('idle', [2]), scope.constant('spare', [2])];
      ops.exp(ops.sin(x));
      scope.output('y', ops.cos(x));
    });
    expect(printGraph(identity(graph))).toBe(
      ['graph dead (x, unused)', '  %0 = input() {name="x"} : float32[2]', '  %1 = input() {name="unused"} : float32[2]', '  %2 = cos(%0) : float32[2]', '  return y = %2'].join(
        '\n',
      ),
    );
  });

  it('merges equal nodes that another pass, or a file, left side by side', () => {
    const input: Node = { operation: 'input', inputs: [], attributes: { name: 'x' }, shape: [2], dtype: 'float32' };
    const sine: Node = { operation: 'sin', inputs: [0], attributes: {}, shape: [2], dtype: 'float32' };
    const sum: Node = { operation: 'add', inputs: [1, 2], attributes: {}, shape: [2], dtype: 'float32' };
    const graph: Graph = { name: 'twice', nodes: [input, sine, sine, sum], outputs: [{ name: 'y', node: 3 }], updates: [] };
    expect(identity(graph).nodes).toEqual([input, sine, { ...sum, inputs: [1, 1] }]);
  });

  it('replaces nodes where a rule says so, in loop bodies too', () => {
    const graph = trace('rule', (scope) => {
      const x = scope.input('x', [2]);
      const { carried } = loop(scope, 3, [ops.negate(x)], (_, [value = x]) => ({ carried: [ops.negate(value)] }));
      carried.forEach((value) => scope.output('y', value));
    });
    const rewritten = rewriteGraph(graph, (node, inputs) => (node.operation === 'negate' && inputs[0] !== undefined ? ops.subtract(0, inputs[0]) : undefined));
    expect(printGraph(rewritten)).not.toContain('negate');
    expect(printGraph(rewritten).match(/subtract/g)).toHaveLength(2);
    const x = float32Array([2], [3, -4]);
    expect(evaluateGraph(rewritten, { inputs: { x } }).outputs).toEqual(evaluateGraph(graph, { inputs: { x } }).outputs);
  });

  it('keeps labels, for printing and profiles', () => {
    const graph = trace('labels', (scope) =>
      scope.output(
        'y',
        scope.builder.labelled('blocks.0', () => ops.sin(scope.input('x', [2]))),
      ),
    );
    expect(nodeAt(identity(graph), 1).label).toBe('blocks.0');
  });

  it('changes no result, whatever the graph', () => {
    for (let seed = 0; seed < 30; seed += 1) {
      const graph = randomGraph(seed);
      const rewritten = identity(graph);
      expect(rewritten.nodes.length).toBeLessThanOrEqual(graph.nodes.length);
      expect(neededNodes(rewritten).size + rewritten.nodes.filter((node, index) => node.operation === 'input' && !neededNodes(rewritten).has(index)).length).toBe(
        rewritten.nodes.length,
      );
      expect(evaluateGraph(rewritten, valuesOf(seed))).toEqual(evaluateGraph(graph, valuesOf(seed)));
    }
  });

  it('is done when it is done: a second time changes nothing', () => {
    for (let seed = 0; seed < 10; seed += 1) {
      const prepared = prepareGraph(randomGraph(seed), primitivesOnly);
      expect(prepareGraph(prepared, primitivesOnly)).toEqual(prepared);
    }
  });
});

describe('opening composites', () => {
  const attention = (): Graph =>
    trace('attention', (scope) => {
      const [q, k, v] = ['q', 'k', 'v'].map((name) => scope.input(name, [1, 2, 3, 4]));
      if (q === undefined || k === undefined || v === undefined) throw new Error('three inputs were asked for');
      const { carried } = loop(scope, 2, [q], (_, [value = q]) => ({ carried: [ops.attention(value, k, v)] }));
      carried.forEach((value) => scope.output('y', ops.gelu(value)));
    });

  it('goes to the bottom: attention becomes softmax, softmax becomes primitives, in loops too', () => {
    const graph = prepareGraph(attention(), primitivesOnly);
    const all: string[] = [];
    const visit = (inner: Graph): void => {
      for (const node of inner.nodes) {
        all.push(node.operation);
        if (node.operation === 'loop') visit(node.attributes.body);
      }
    };
    visit(graph);
    expect(all.filter((operation) => isComposite(operation as Node['operation']))).toEqual([]);
    expect(all).toContain('reduceMax');
  });

  it('leaves alone what the engine claims', () => {
    const graph = decomposeComposites(attention(), new Set(['softmax', 'gelu'] as const));
    expect(operationsOf(graph)).toContain('gelu');
    expect(printGraph(graph)).toContain('softmax');
    expect(printGraph(graph)).not.toContain('attention(');
  });

  it('merges a decomposition with the same computation elsewhere', () => {
    const graph = prepareGraph(
      trace('shared', (scope) => {
        const x = scope.input('x', [2, 3]);
        scope.output('softmax', ops.softmax(x));
        scope.output('logSoftmax', ops.logSoftmax(x));
      }),
      primitivesOnly,
    );
    expect(operationsOf(graph).filter((operation) => operation === 'reduceMax' || operation === 'exp')).toEqual(['reduceMax', 'exp']);
  });
});

describe('lastUses', () => {
  it('frees a value where it is read for the last time, never a result', () => {
    const graph = trace('chain', (scope) => {
      const x = scope.input('x', [2]);
      const sine = ops.sin(x);
      const cosine = ops.cos(sine);
      scope.output('cosine', cosine);
      scope.output('sum', ops.add(cosine, x));
    });
    expect(lastUses(graph)).toEqual([[], [], [1], [0]]);
  });

  it('frees at once what nobody reads', () => {
    const graph = trace('dead', (scope) => {
      const x = scope.input('x', [2]);
      ops.sin(x);
      scope.output('y', x);
    });
    expect(lastUses(graph)).toEqual([[], [1]]);
  });

  // The walk of an engine: a value is made, read, freed. Nothing may be read after it was freed, and nothing may be left.
  it('never frees what is still read, and forgets nothing, in any graph', () => {
    for (let seed = 0; seed < 60; seed += 1) {
      const graph = prepareGraph(randomGraph(seed), primitivesOnly);
      const freed = lastUses(graph);
      const alive = new Set<number>();
      graph.nodes.forEach((node, index) => {
        for (const input of node.inputs) expect(alive.has(input), `graph ${seed}: %${index} reads %${input}`).toBe(true);
        alive.add(index);
        for (const value of freed[index] ?? []) expect(alive.delete(value), `graph ${seed}: %${value} is freed twice`).toBe(true);
      });
      expect([...alive].sort()).toEqual([...new Set([...graph.outputs, ...graph.updates].map(({ node }) => node))].sort());
    }
  });
});

describe('valueOverNothing', () => {
  it('is what the reference computes from arrays without elements', () => {
    const from = (build: (x: Tensor, scope: TraceScope) => Tensor): { node: Node; value: number | undefined } => {
      const graph = trace('nothing', (scope) => scope.output('y', build(scope.input('x', [0, 2]), scope)));
      const index = graph.outputs[0]?.node ?? 0;
      return { node: nodeAt(graph, index), value: evaluateGraph(graph, { inputs: { x: float32Array([0, 2], []) } }).outputs.y?.data[0] };
    };
    for (const { node, value } of [
      from((x) => ops.reduceSum(x, { axes: [0] })),
      from((x) => ops.reduceMax(x, { axes: [0] })),
      from((x) => ops.reduceMax(ops.cast(x, 'int32'), { axes: [0] })),
      from((x) => ops.pad(x, [1, 0], [0, 0], 7)),
      from((x) => ops.matMul(x, x, { transposeA: true })),
    ]) {
      expect(value, node.operation).toBe(valueOverNothing(node, node.dtype));
    }
  });
});
