import { nodeAt, type Tensor } from '../graph/index.js';
import { add, concat, pad } from '../ops/index.js';

/** A value with zeros around it along one axis. */
interface Part {
  readonly value: Tensor;
  readonly axis: number;
  readonly start: number;
  readonly end: number;
}

function partOf(x: Tensor): Part | undefined {
  const node = nodeAt(x.builder, x.node);
  if (node.operation !== 'pad' || node.attributes.value !== 0) return undefined;
  const { low, high } = node.attributes;
  const axes = low.flatMap((amount, axis) => (amount === 0 && high[axis] === 0 ? [] : [axis]));
  const [axis] = axes;
  const value = x.builder.tensor(node.inputs[0] ?? -1);
  const size = value.shape[axis ?? 0] ?? 0;
  const [before, after] = [low[axis ?? 0] ?? 0, high[axis ?? 0] ?? 0];
  if (axes.length !== 1 || axis === undefined || before < 0 || after < 0) return undefined;
  return { value, axis, start: before, end: before + size };
}

/** What a value is put together from along an axis. */
function pieces({ value, axis }: Part): readonly Tensor[] {
  const node = nodeAt(value.builder, value.node);
  return node.operation === 'concat' && node.attributes.axis === axis ? node.inputs.map((input) => value.builder.tensor(input)) : [value];
}

/**
 * a + b. The gradient of a value that was cut up is a sum of its parts' gradients, each with zeros for the other parts: where two of them lie side
 * by side they are put together instead, which moves each number once.
 */
export function sumOfParts(a: Tensor, b: Tensor): Tensor {
  const [one, other] = [partOf(a), partOf(b)];
  if (one === undefined || other === undefined || one.axis !== other.axis) return add(a, b);
  const [first, second] = one.start < other.start ? [one, other] : [other, one];
  if (first.end !== second.start) return add(a, b);
  const along = (amount: number): number[] => a.shape.map((_, axis) => (axis === first.axis ? amount : 0));
  return pad(concat([...pieces(first), ...pieces(second)], first.axis), along(first.start), along((a.shape[first.axis] ?? 0) - second.end));
}
