import { type DType, type Graph, type HostArray, lastUses, type OperationAttributes } from '@tesserae/core';
import { type KernelName, runNode } from './kernels/run-node.js';
import type { Tf, TfTensor } from './tensorflow.js';

/** Where leaves come from. Tensors given here stay the giver's. */
export interface Leaves {
  readonly input: (name: string) => TfTensor;
  readonly state: (name: string) => TfTensor;
  readonly constant: (name: string) => TfTensor;
  readonly literal: (array: HostArray) => TfTensor;
}

/** Which values each node of a graph and of its loop bodies may free; found once a program. */
export type Schedule = WeakMap<Graph, readonly (readonly number[])[]>;

/**
 * Walks the nodes in order and frees each value after its last reader. Must run inside `tf.tidy`, which frees what is
 * left when a kernel throws. Synchronous from end to end: nothing else can switch TensorFlow.js's one active device
 * meanwhile.
 * @returns the values of the graph's outputs, then of its updates: each a tensor of its own, the caller's to dispose.
 */
export function executeGraph(tf: Tf, graph: Graph, leaves: Leaves, schedule: Schedule): TfTensor[] {
  const freed = schedule.get(graph) ?? lastUses(graph);
  schedule.set(graph, freed);
  const values: (TfTensor | undefined)[] = [];
  /** Whether a value was computed here, and not lent by `leaves`. */
  const owned: boolean[] = [];
  const loops = new Map<number, readonly TfTensor[]>();
  const valueAt = (index: number): TfTensor => {
    const value = values[index];
    if (value === undefined) throw new RangeError(`value %${index} was freed too early`);
    return value;
  };
  graph.nodes.forEach((node, index) => {
    const keep = (value: TfTensor | undefined, own: boolean): void => {
      values[index] = value;
      owned[index] = own;
    };
    switch (node.operation) {
      case 'input':
      case 'state':
      case 'constant':
        keep(leaves[node.operation](node.attributes.name), false);
        break;
      case 'literal':
        keep(leaves.literal(node.attributes.array), false);
        break;
      case 'loop':
        loops.set(index, executeLoop(tf, node.attributes, node.inputs.map(valueAt), leaves, schedule));
        keep(undefined, false);
        break;
      case 'loopResult':
        // Equal nodes are one in a prepared graph, so each result has one owner; those without are left to tidy.
        keep(loops.get(node.inputs[0] ?? -1)?.[node.attributes.index], true);
        break;
      default:
        keep(runNode(tf, node.operation as KernelName, node.inputs.map(valueAt), node.attributes, { shape: node.shape, dtype: node.dtype }), true);
    }
    for (const dead of freed[index] ?? []) {
      if (owned[dead]) values[dead]?.dispose();
      values[dead] = undefined;
    }
  });
  const taken = new Set<number>();
  return [...graph.outputs, ...graph.updates].map(({ node }) => {
    // A value that has two names, or that is lent, is given as a copy of its handle; the numbers are shared.
    const mine = owned[node] === true && !taken.has(node);
    taken.add(node);
    return mine ? valueAt(node) : tf.clone(valueAt(node));
  });
}

/** Carried values after the last iteration, then the stacked ones. */
function executeLoop(tf: Tf, attributes: OperationAttributes['loop'], inputs: readonly TfTensor[], leaves: Leaves, schedule: Schedule): TfTensor[] {
  const { body, count, carried } = attributes;
  const captured = inputs.slice(carried);
  let current = inputs.slice(0, carried);
  const stacks: TfTensor[][] = body.outputs.slice(carried).map(() => []);
  for (let iteration = 0; iteration < count; iteration += 1) {
    const before = current;
    const outputs = tf.tidy(() => {
      const counter = tf.scalar(iteration, 'int32');
      const bound = (name: string): TfTensor => {
        const [kind, place] = name.split('.');
        const value = kind === 'iteration' ? counter : kind === 'carried' ? before[Number(place)] : captured[Number(place)];
        if (value === undefined) throw new RangeError(`a loop body reads ${name}`);
        return value;
      };
      return executeGraph(tf, body, { ...leaves, input: bound }, schedule);
    });
    // The first values belong to the graph around the loop.
    if (iteration > 0) for (const value of before) value.dispose();
    current = outputs.slice(0, carried);
    outputs.slice(carried).forEach((value, index) => stacks[index]?.push(value));
  }
  return [...current, ...stacks.map((parts) => stack(tf, parts))];
}

/** Parts of one type below each other, along a new first axis. Disposes them. */
function stack(tf: Tf, parts: readonly TfTensor[]): TfTensor {
  const [first] = parts;
  if (first === undefined) throw new RangeError('a loop of no iterations has nothing to stack');
  const type = { shape: [parts.length, ...first.shape], dtype: first.dtype as DType };
  const rows = (): TfTensor[] => parts.map((part) => tf.reshape(part, [1, ...part.shape]));
  const whole = tf.tidy(() => runNode(tf, 'concat', rows(), { axis: 0 }, type));
  for (const part of parts) part.dispose();
  return whole;
}
