import { TesseraeError } from '../../errors/index.js';
import { type Graph, type Node, nodeAt, type OperationAttributes, type PrimitiveName } from '../../graph/index.js';
import { prepareGraph } from '../../passes/index.js';
import { type HostArray, int32Array, sizeOf, type TensorType, zerosArray } from '../../tensor/index.js';
import { erf, mapBinary, mapUnary, selectWhere } from './elementwise.js';
import { gather, scatterAdd } from './indexing.js';
import { conv2d, matMul } from './linear-algebra.js';
import { argMax, cumulativeSum, reduce, topValues } from './reduction.js';
import { concat, iota, pad, rearrange, reverse, slice, transpose } from './shape.js';
import { broadcastSteps } from './walk.js';

/** The values a graph reads, by name. */
export interface GraphValues {
  readonly inputs?: Readonly<Record<string, HostArray>>;
  readonly state?: ReadonlyMap<string, HostArray>;
  readonly constants?: ReadonlyMap<string, HostArray>;
}

interface Call<Attributes> {
  readonly inputs: readonly HostArray[];
  readonly attributes: Attributes;
  readonly type: TensorType;
  readonly values: GraphValues;
}

type Evaluate<Attributes> = (call: Call<Attributes>) => HostArray;

function first(call: { readonly inputs: readonly HostArray[] }, index = 0): HostArray {
  const found = call.inputs[index];
  if (found === undefined) throw new RangeError(`operation lacks input ${index}`);
  return found;
}

function named(values: HostArray | undefined, kind: string, name: string): HostArray {
  if (values === undefined) throw new TesseraeError('invalid-argument', `The ${kind} '${name}' has no value.`, { remedy: `Give every ${kind} of the graph.` });
  return values;
}

const unary =
  (compute: (value: number) => number): Evaluate<unknown> =>
  (call) =>
    mapUnary(first(call), call.type, compute);
const binary =
  (compute: (left: number, right: number) => number): Evaluate<unknown> =>
  (call) =>
    mapBinary(first(call), first(call, 1), call.type, compute);
const truth = (value: boolean): number => (value ? 1 : 0);

const evaluators: { readonly [O in Exclude<PrimitiveName, 'loop' | 'loopResult'>]: Evaluate<OperationAttributes[O]> } = {
  input: ({ values, attributes: { name } }) => named(values.inputs?.[name], 'input', name),
  state: ({ values, attributes: { name } }) => named(values.state?.get(name), 'state', name),
  constant: ({ values, attributes: { name } }) => named(values.constants?.get(name), 'constant', name),
  literal: ({ attributes }) => attributes.array,
  iota: ({ type, attributes }) => iota(type, attributes.axis),
  negate: unary((x) => -x),
  absolute: unary(Math.abs),
  sign: unary(Math.sign),
  exp: unary(Math.exp),
  log: unary(Math.log),
  sqrt: unary(Math.sqrt),
  sin: unary(Math.sin),
  cos: unary(Math.cos),
  tanh: unary(Math.tanh),
  erf: unary(erf),
  sigmoid: unary((x) => 1 / (1 + Math.exp(-x))),
  floor: unary(Math.floor),
  logicalNot: unary((x) => 1 - x),
  stopGradient: (call) => first(call),
  cast: (call) => {
    switch (call.attributes.dtype) {
      case 'float32':
        return mapUnary(first(call), call.type, (x) => x);
      case 'int32':
        return mapUnary(first(call), call.type, Math.trunc);
      case 'bool':
        return mapUnary(first(call), call.type, (x) => truth(x !== 0));
      default:
        return call.attributes.dtype satisfies never;
    }
  },
  add: binary((a, b) => a + b),
  subtract: binary((a, b) => a - b),
  multiply: (call) => (call.type.dtype === 'int32' ? binary(Math.imul)(call) : binary((a, b) => a * b)(call)),
  divide: binary((a, b) => a / b),
  maximum: binary(Math.max),
  minimum: binary(Math.min),
  power: binary((a, b) => a ** b),
  equal: binary((a, b) => truth(a === b)),
  less: binary((a, b) => truth(a < b)),
  lessOrEqual: binary((a, b) => truth(a <= b)),
  logicalAnd: binary((a, b) => a & b),
  logicalOr: binary((a, b) => a | b),
  where: (call) => selectWhere(first(call), first(call, 1), first(call, 2)),
  reduceSum: (call) => reduce(first(call), call.type, call.attributes.axes, 0, (sum, value) => sum + value),
  reduceMax: (call) => reduce(first(call), call.type, call.attributes.axes, call.type.dtype === 'int32' ? -(2 ** 31) : Number.NEGATIVE_INFINITY, Math.max),
  argMax: (call) => argMax(first(call), call.type, call.attributes.axis),
  cumulativeSum: (call) => cumulativeSum(first(call), call.attributes.axis),
  topValues: (call) => topValues(first(call), call.type, call.attributes.count),
  reshape: (call) => ({ ...first(call), shape: call.type.shape }),
  transpose: (call) => transpose(first(call), call.type, call.attributes.permutation),
  broadcastTo: (call) => rearrange(first(call), call.type, { start: 0, steps: broadcastSteps(first(call).shape, call.type.shape) }),
  slice: (call) => slice(first(call), call.type, call.attributes),
  pad: (call) => pad(first(call), call.type, call.attributes),
  concat: (call) => concat(call.inputs, call.type, call.attributes.axis),
  reverse: (call) => reverse(first(call), call.type, call.attributes.axes),
  matMul: (call) => matMul(first(call), first(call, 1), call.type, call.attributes.transposeA, call.attributes.transposeB),
  conv2d: (call) => conv2d(first(call), first(call, 1), call.type, call.attributes),
  gather: (call) => gather(first(call), first(call, 1), call.type, call.attributes.axis),
  scatterAdd: (call) => scatterAdd(first(call), first(call, 1), call.type),
};

function evaluateNode(node: Exclude<Node, { operation: 'loop' | 'loopResult' }>, inputs: readonly HostArray[], values: GraphValues): HostArray {
  const evaluate = evaluators[node.operation as keyof typeof evaluators] as Evaluate<unknown>;
  return evaluate({ inputs, attributes: node.attributes, type: { shape: node.shape, dtype: node.dtype }, values });
}

/** Carried values after the last iteration, then stacked ones. */
function evaluateLoop(attributes: OperationAttributes['loop'], inputs: readonly HostArray[], values: GraphValues): HostArray[] {
  const { body, count, carried } = attributes;
  let current = inputs.slice(0, carried);
  const captured = Object.fromEntries(inputs.slice(carried).map((value, index) => [`captured.${index}`, value]));
  const stacks: HostArray[][] = body.outputs.slice(carried).map(() => []);
  for (let iteration = 0; iteration < count; iteration += 1) {
    const bound = { iteration: int32Array([], [iteration]), ...captured, ...Object.fromEntries(current.map((value, index) => [`carried.${index}`, value])) };
    const results = evaluatePrimitives(body, { ...values, inputs: bound }).outputs;
    current = body.outputs.slice(0, carried).map(({ name }) => named(results[name], 'loop value', name));
    body.outputs.slice(carried).forEach(({ name }, index) => stacks[index]?.push(named(results[name], 'loop value', name)));
  }
  const stacked = stacks.map((parts) => {
    const part = parts[0] ?? zerosArray([0]);
    const lifted = parts.map((value) => ({ ...value, shape: [1, ...value.shape] }));
    return sizeOf(part.shape) === 0 ? { ...part, shape: [count, ...part.shape] } : concat(lifted, { shape: [count, ...part.shape], dtype: part.dtype }, 0);
  });
  return [...current, ...stacked];
}

export interface GraphResults {
  readonly outputs: Record<string, HostArray>;
  readonly updates: Record<string, HostArray>;
}

/** Runs a graph of primitives. */
export function evaluatePrimitives(graph: Graph, values: GraphValues): GraphResults {
  const computed: (HostArray | undefined)[] = [];
  const loops = new Map<number, HostArray[]>();
  const valueAt = (index: number): HostArray => named(computed[index], 'node', `%${index}`);
  graph.nodes.forEach((node, index) => {
    if (node.operation === 'loop') {
      loops.set(index, evaluateLoop(node.attributes, node.inputs.map(valueAt), values));
      computed.push(undefined);
    } else if (node.operation === 'loopResult') {
      computed.push(loops.get(node.inputs[0] ?? -1)?.[node.attributes.index]);
    } else {
      computed.push(evaluateNode(nodeAt(graph, index) as Exclude<Node, { operation: 'loop' | 'loopResult' }>, node.inputs.map(valueAt), values));
    }
  });
  const results = (list: Graph['outputs']): Record<string, HostArray> => Object.fromEntries(list.map(({ name, node }) => [name, valueAt(node)]));
  return { outputs: results(graph.outputs), updates: results(graph.updates) };
}

/** Runs any graph, slowly and plainly, sums in float64: the truth other engines are compared with. */
export function evaluateGraph(graph: Graph, values: GraphValues): GraphResults {
  return evaluatePrimitives(prepareGraph(graph, { composites: new Set() }), values);
}
