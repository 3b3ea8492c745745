import type { Node } from '../graph/index.js';
import type { DType } from '../tensor/index.js';

/**
 * What fills a node's value when it has elements but its inputs have none: the neutral value of its reduction. Engines
 * differ in what they do with empty arrays, or fail; with this they need not be asked.
 */
export function valueOverNothing(node: Pick<Node, 'operation' | 'attributes'>, dtype: DType): number {
  switch (node.operation) {
    case 'reduceMax':
      return dtype === 'int32' ? -(2 ** 31) : Number.NEGATIVE_INFINITY;
    case 'pad':
      return 'value' in node.attributes ? node.attributes.value : 0;
    default:
      return 0;
  }
}
