import { deriveKey, type Key, permutation } from '../random/index.js';

/**
 * Which of `count` examples each turn of a training takes, 0 the first turn: every epoch meets all of them once, in an order of its
 * own that depends on the key alone. Asked in turn it shuffles once an epoch.
 */
export function epochOrder(key: Key, count: number): (turn: number) => number {
  let epoch = -1;
  let order: Int32Array = new Int32Array();
  return (turn) => {
    if (Math.floor(turn / count) !== epoch) {
      epoch = Math.floor(turn / count);
      order = permutation(deriveKey(key, 'order', epoch), count);
    }
    return order[turn % count] ?? 0;
  };
}
