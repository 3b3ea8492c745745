import { nodeAt, type OperationAttributes, type Tensor } from '../graph/index.js';
import { reshape } from '../ops/index.js';
import type { NodeRewrite } from './rewrite.js';

/** Whether a transpose moves axes of length one only: then nothing moves in memory. */
function keepsOrder({ shape }: Tensor, { permutation }: OperationAttributes['transpose']): boolean {
  const moved = permutation.filter((axis) => shape[axis] !== 1);
  return moved.every((axis, index) => index === 0 || axis > (moved[index - 1] ?? 0));
}

/** What a tensor is a reshape of, to the bottom. */
function beforeReshapes(x: Tensor): Tensor {
  const node = nodeAt(x.builder, x.node);
  return node.operation === 'reshape' ? beforeReshapes(x.builder.tensor(node.inputs[0] ?? x.node)) : x;
}

/**
 * Movements of data that are none: transposes of axes of length one become reshapes, and reshapes of reshapes one. A model
 * written for any length pays nothing for it at length one, where each such node of a decode loop costs as much as its sums.
 */
export const simplify: NodeRewrite = (node, [x]) => {
  if (x === undefined) return undefined;
  if (node.operation === 'reshape' || (node.operation === 'transpose' && keepsOrder(x, node.attributes))) return reshape(beforeReshapes(x), node.shape);
  return undefined;
};
