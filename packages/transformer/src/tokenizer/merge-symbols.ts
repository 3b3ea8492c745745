import { createPriorityQueue } from './priority-queue.js';

/** Two token ids as one number; ids stay below 2²⁴. */
export function pairOf(left: number, right: number): number {
  return left * 0x100_0000 + right;
}

/** Both ids of a pair. */
export function idsOf(pair: number): readonly [number, number] {
  return [Math.floor(pair / 0x100_0000), pair % 0x100_0000];
}

/** Pair → when it is merged (0 the first) and what it becomes. */
export type MergeTable = ReadonlyMap<number, { readonly rank: number; readonly merged: number }>;

/**
 * Merges neighbours, lowest rank first and leftmost among equals, until none is left to merge. Time n log n: a word may be as long as a text.
 *
 * `leavesOut` makes it BPE dropout (Provilkov et al. 2020, algorithm 1): before every merge each possible one is left out when it says so.
 * It is asked in the order of rank, and no more once one is found that stays in: what comes after cannot be chosen.
 */
export function mergeSymbols(symbols: readonly number[], merges: MergeTable, leavesOut?: () => boolean): number[] {
  const ids = [...symbols];
  // Neighbours as a linked list: a merged symbol stands where its left half stood.
  const next = ids.map((_, index) => index + 1);
  const previous = ids.map((_, index) => index - 1);
  const queue = createPriorityQueue();
  const mergeAt = (left: number): { readonly rank: number; readonly merged: number } | undefined => {
    const right = next[left] ?? ids.length;
    return right < ids.length ? merges.get(pairOf(ids[left] ?? -1, ids[right] ?? -1)) : undefined;
  };
  const propose = (left: number): void => {
    const merge = left < 0 ? undefined : mergeAt(left);
    if (merge !== undefined) queue.push(-merge.rank, left);
  };
  const gone = -1;
  for (let left = 0; left < ids.length; left += 1) propose(left);
  const leftOut: { readonly priority: number; readonly item: number }[] = [];
  for (let candidate = queue.pop(); candidate !== undefined; candidate = queue.pop()) {
    const { item: left, priority } = candidate;
    const merge = ids[left] === gone ? undefined : mergeAt(left);
    // An old proposal: one of the two has become part of another symbol since.
    if (merge === undefined || merge.rank !== -priority) continue;
    if (leavesOut?.() === true) {
      leftOut.push(candidate);
      continue;
    }
    for (const again of leftOut.splice(0)) queue.push(again.priority, again.item);
    const right = next[left] ?? ids.length;
    const after = next[right] ?? ids.length;
    ids[left] = merge.merged;
    ids[right] = gone;
    next[left] = after;
    if (after < ids.length) previous[after] = left;
    propose(previous[left] ?? -1);
    propose(left);
  }
  return ids.filter((id) => id !== gone);
}
