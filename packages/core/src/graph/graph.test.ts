import { describe, expect, it } from 'vitest';
import { isTesseraeError } from '../errors/index.js';
import * as ops from '../ops/index.js';
import { float32Array, int32Array } from '../tensor/index.js';
import { type Graph, hashGraph, leavesOf, loop, type Node, printGraph, type TraceScope, trace, verifyGraph } from './index.js';

/** The message of the typed error that `run` throws, with its code in front. */
function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (isTesseraeError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const traced =
  (body: (scope: TraceScope) => void): (() => Graph) =>
  () =>
    trace('test', body);

/** A graph of every kind of leaf and a loop: sums x·w four times into a state. */
function example(): Graph {
  return trace('example', (scope) => {
    const x = scope.input('x', [2]);
    const weight = scope.constant('weight', [2]);
    const total = scope.state('total', [2]);
    const product = scope.builder.labelled('layer', () => ops.multiply(x, weight));
    const [sum = x] = loop(scope, 4, [total], (_, [running = total]) => ({ carried: [ops.add(running, product)] })).carried;
    scope.output('sum', ops.reduceSum(sum));
    scope.assign('total', sum);
  });
}

describe('tracing', () => {
  it('gives plain data that prints one node a line', () => {
    expect(`\n${printGraph(example())}\n`).toBe(`
graph example (x)
  %0 = input() {name="x"} : float32[2]
  %1 = constant() {name="weight"} : float32[2]
  %2 = state() {name="total"} : float32[2]
  %3 = multiply(%0, %1) : float32[2]  # layer
  %4 = loop(%2, %3) {count=4, carried=1} : int32[0]
    graph loop (iteration, carried.0, captured.0)
      %0 = input() {name="iteration"} : int32[]
      %1 = input() {name="carried.0"} : float32[2]
      %2 = input() {name="captured.0"} : float32[2]
      %3 = add(%1, %2) : float32[2]
      return carried.0 = %3
  %5 = loopResult(%4) {index=0} : float32[2]
  %6 = reduceSum(%5) {axes=[0], keepDimensions=false} : float32[]
  return sum = %6
  update total = %5
`);
  });

  it('can be sent as JSON: nothing but data', () => {
    expect(JSON.parse(JSON.stringify(example()))).toEqual(example());
  });

  it('makes one node of equal operations on equal inputs', () => {
    const graph = traced((scope) => {
      const x = scope.input('x', [2]);
      scope.output('y', ops.add(ops.exp(x), ops.exp(scope.input('x', [2]))));
      scope.output('z', ops.multiply(ops.exp(x), 2));
      scope.output('w', ops.multiply(ops.exp(x), 2));
    })();
    expect(graph.nodes.map(({ operation }) => operation)).toEqual(['input', 'exp', 'add', 'literal', 'multiply']);
  });

  it('keeps apart what only looks equal: attributes, types, zeros of either sign, infinities', () => {
    const count = (body: (scope: TraceScope) => void): number => traced(body)().nodes.length;
    const x = (scope: TraceScope) => scope.input('x', [2, 2]);
    expect(count((scope) => [0, 1].forEach((axis) => scope.output(`${axis}`, ops.reduceSum(x(scope), { axes: [axis] }))))).toBe(3);
    expect(count((scope) => [0, -0].forEach((value, index) => scope.output(`${index}`, scope.literal(value))))).toBe(2);
    expect(count((scope) => [float32Array([1], [1]), int32Array([1], [1]), float32Array([], [1])].forEach((array, index) => scope.output(`${index}`, scope.literal(array))))).toBe(
      3,
    );
    const pads = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 0, -0];
    expect(count((scope) => pads.forEach((value, index) => scope.output(`${index}`, ops.pad(x(scope), [1, 0], [0, 0], value))))).toBe(1 + pads.length);
  });

  it('finds leaves by kind, those of loop bodies included', () => {
    const graph = traced((scope) => {
      const x = scope.input('x', [2]);
      const { carried } = loop(scope, 2, [x], (_, [value = x]) => ({ carried: [ops.multiply(value, scope.constant('weight', [2]))] }));
      carried.forEach((value) => scope.output('y', value));
    })();
    expect(leavesOf(graph, 'input').map(({ name }) => name)).toEqual(['x']);
    expect(leavesOf(graph, 'constant')).toEqual([{ name: 'weight', shape: [2], dtype: 'float32' }]);
    expect(leavesOf(graph, 'state')).toEqual([]);
  });

  it('lets a loop body read values of any enclosing level', () => {
    const graph = traced((scope) => {
      const x = scope.input('x', [2]);
      const outer = loop(scope, 2, [x], (_, [a = x]) => {
        const inner = loop({ builder: a.builder }, 2, [a], (_step, [b = a]) => ({ carried: [ops.add(b, x)] }));
        return { carried: [...inner.carried] };
      });
      outer.carried.forEach((value) => scope.output('y', value));
    })();
    expect(printGraph(graph).match(/captured\.0/g)).toHaveLength(4);
  });
});

describe('tracing refuses', () => {
  const refusals: readonly (readonly [string, (scope: TraceScope) => void, RegExp])[] = [
    [
      'a name declared twice with two types',
      (scope) => {
        scope.input('x', [2]);
        scope.input('x', [3]);
      },
      /graph-invalid: 'x' is declared twice, as input float32 \[2\] and input float32 \[3\]/,
    ],
    [
      'a name of an input and of a state',
      (scope) => {
        scope.input('x', [2]);
        scope.state('x', [2]);
      },
      /graph-invalid: 'x' is declared twice, as input float32 \[2\] and state float32 \[2\]/,
    ],
    [
      'a result name used twice',
      (scope) => {
        scope.output('y', scope.input('x', [2]));
        scope.output('y', scope.input('z', [2]));
      },
      /graph-invalid: 'y' cannot be a result: the name is taken/,
    ],
    [
      'a state assigned another type',
      (scope) => scope.assign('s', scope.input('x', [scope.state('s', [2]).shape.length])),
      /graph-invalid: State 's' cannot be assigned float32 \[1\].*It is float32 \[2\]/,
    ],
    ['a state that was not declared', (scope) => scope.assign('s', scope.input('x', [2])), /graph-invalid: State 's'.*Declare it with scope\.state/],
    ['an input assigned as if it were a state', (scope) => scope.assign('x', scope.input('x', [2])), /graph-invalid: State 'x'.*Declare it with scope\.state/],
    [
      'a tensor of another trace',
      (scope) => trace('other', (other) => other.output('y', ops.add(other.input('a', [2]), scope.input('x', [2])))),
      /graph-invalid: A tensor of another graph was used/,
    ],
    [
      'a value of a loop body outside of it',
      (scope) => {
        const x = scope.input('x', []);
        loop(scope, 2, [x], (_, [value = x]) => {
          const inside = ops.exp(value);
          scope.output('leak', inside);
          return { carried: [inside] };
        });
      },
      /graph-invalid: 'leak' cannot be a result: it belongs to another trace or a loop body/,
    ],
    ['a size that is not known', (scope) => void scope.input('x', [-1, 3]), /shape-mismatch: input 'x': \[-1, 3\] is no shape/],
    ['a fractional size', (scope) => void scope.constant('w', [2.5]), /shape-mismatch: constant 'w': \[2\.5\] is no shape/],
    [
      'a carried value that changes its shape',
      (scope) => void loop(scope, 2, [scope.input('x', [2])], (_, values) => ({ carried: values.map((value) => ops.reduceSum(value)) })),
      /shape-mismatch: loop: carried value 0 changes from float32 \[2\] to float32 \[\]/,
    ],
    ['a loop that runs no times', (scope) => void loop(scope, 0, [scope.input('x', [2])], (_, carried) => ({ carried })), /shape-mismatch: loop: cannot run 0 times/],
  ];
  for (const [what, body, message] of refusals) it(what, () => expect(refusal(traced(body))).toMatch(message));
});

describe('verifyGraph', () => {
  /** A copy of a graph with one node changed. */
  const tampered = (graph: Graph, index: number, change: Record<string, unknown>): Graph => ({
    ...graph,
    nodes: graph.nodes.map((node, other) => (other === index ? ({ ...node, ...change } as Node) : node)),
  });
  const body = (change: (inner: Graph) => Graph): Graph => {
    const graph = example();
    const node = graph.nodes[4];
    if (node?.operation !== 'loop') throw new Error('the example has its loop elsewhere');
    return tampered(graph, 4, { attributes: { ...node.attributes, body: change(node.attributes.body) } });
  };

  it('gives a sound graph back', () => {
    const graph = example();
    expect(verifyGraph(graph)).toBe(graph);
  });

  const broken: readonly (readonly [string, Graph, RegExp])[] = [
    ['a node that reads a later one', tampered(example(), 3, { inputs: [0, 6] }), /node %3 \(multiply\) reads a node that does not come before it/],
    ['a node that reads itself', tampered(example(), 3, { inputs: [0, 3] }), /node %3 \(multiply\) reads a node that does not come before it/],
    ['a node that reads nothing there is', tampered(example(), 3, { inputs: [0, -1] }), /node %3 \(multiply\)/],
    ['a wrong shape', tampered(example(), 3, { shape: [3] }), /node %3 \(multiply\) says float32 \[3\] but is float32 \[2\]/],
    ['a wrong dtype', tampered(example(), 6, { dtype: 'int32' }), /node %6 \(reduceSum\) says int32 \[\] but is float32 \[\]/],
    ['a missing input', tampered(example(), 3, { inputs: [0] }), /node %3 \(multiply\) is impossible: multiply: input 1 is missing/],
    ['an attribute out of range', tampered(example(), 6, { attributes: { axes: [5], keepDimensions: false } }), /node %6 \(reduceSum\) is impossible: reduceSum: axis 5/],
    ['a loop result that does not exist', tampered(example(), 5, { attributes: { index: 1 } }), /node %5 \(loopResult\) is impossible/],
    ['a loop result of something else', tampered(example(), 5, { inputs: [3] }), /node %5 \(loopResult\) is impossible/],
    ['an operation on a loop instead of its results', tampered(example(), 6, { inputs: [4], dtype: 'int32' }), /node %6 \(reduceSum\) reads loop %4, which has no value/],
    ['a captured value that is not passed', tampered(example(), 4, { inputs: [2] }), /loop %4 passes 0 captured values to a body that takes 1/],
    ['a fault inside a loop body', body((inner) => tampered(inner, 3, { shape: [9] })), /node %3 \(add\) says float32 \[9\]/],
    [
      'a loop body that expects another type than it is given',
      body((inner) => ({ ...inner, nodes: inner.nodes.map((node) => (node.dtype === 'float32' ? { ...node, shape: [1] } : node)) as Node[] })),
      /%4/,
    ],
    [
      'a loop body that takes a captured value of another type',
      body((inner) => tampered(tampered(inner, 2, { shape: [1] }), 3, {})),
      /loop %4 passes float32 \[2\] to its body's 'captured\.0', which is float32 \[1\]/,
    ],
    ['a result that does not exist', { ...example(), outputs: [{ name: 'y', node: 99 }] }, /result 'y' is node %99, which does not exist/],
    ['a result that is a loop', { ...example(), outputs: [{ name: 'y', node: 4 }] }, /result 'y' is loop %4, which has no value/],
    ['two results of one name', { ...example(), outputs: [0, 1].map((node) => ({ name: 'y', node })) }, /result 'y' is given twice/],
    ['an update of another type', { ...example(), updates: [{ name: 'total', node: 6 }] }, /update 'total' is float32 \[\], the state float32 \[2\]/],
  ];
  for (const [what, graph, message] of broken) {
    it(`refuses ${what}`, () => {
      const said = refusal(() => verifyGraph(graph));
      expect(said).toMatch(/^graph-invalid: Graph '(example|loop)'/);
      expect(said).toMatch(message);
    });
  }
});

describe('hashGraph', () => {
  const hashes = (...bodies: readonly ((scope: TraceScope) => void)[]): string[] => bodies.map((body) => hashGraph(traced(body)()));
  const ramp = (from: number) =>
    float32Array(
      [20],
      Array.from({ length: 20 }, (_, index) => index + from),
    );

  it('is the same for the same graph, traced again', () => {
    expect(hashGraph(example())).toBe(hashGraph(example()));
    expect(hashGraph(example())).toMatch(/^[0-9a-f]{16}$/);
  });

  it('differs with a shape, an attribute, a literal large or small, also in a loop body, or the sign of a zero', () => {
    const inLoop = (from: number) => (scope: TraceScope) => {
      const x = scope.input('x', [20]);
      loop(scope, 2, [x], (iteration, [value = x]) => ({ carried: [ops.add(value, iteration.builder.add('literal', [], { array: ramp(from) }))] })).carried.forEach((value) =>
        scope.output('y', value),
      );
    };
    const found = hashes(
      (scope) => scope.output('y', scope.input('x', [2])),
      (scope) => scope.output('y', scope.input('x', [3])),
      (scope) => scope.output('y', scope.literal(ramp(0))),
      (scope) => scope.output('y', scope.literal(ramp(1))),
      (scope) => scope.output('y', scope.literal(0)),
      (scope) => scope.output('y', scope.literal(-0)),
      (scope) => scope.output('y', ops.pad(scope.input('x', [2]), [1], [0], Number.POSITIVE_INFINITY)),
      (scope) => scope.output('y', ops.pad(scope.input('x', [2]), [1], [0], Number.NEGATIVE_INFINITY)),
      inLoop(0),
      inLoop(1),
    );
    expect(new Set(found).size).toBe(found.length);
  });
});
