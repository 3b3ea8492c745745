/** Pairs waiting to be merged, most frequent first; among equals the lowest pair, so that training is deterministic. */
export interface PairQueue {
  push(count: number, pair: number): void;
  pop(): { readonly count: number; readonly pair: number } | undefined;
}

/** A binary heap in two flat arrays. */
export function createPairQueue(): PairQueue {
  const counts: number[] = [];
  const pairs: number[] = [];
  const count = (index: number): number => counts[index] ?? -1;
  const pair = (index: number): number => pairs[index] ?? Number.POSITIVE_INFINITY;
  const before = (a: number, b: number): boolean => count(a) > count(b) || (count(a) === count(b) && pair(a) < pair(b));
  const swap = (a: number, b: number): void => {
    [counts[a], counts[b]] = [count(b), count(a)];
    [pairs[a], pairs[b]] = [pair(b), pair(a)];
  };
  return {
    push(newCount, newPair) {
      counts.push(newCount);
      pairs.push(newPair);
      for (let index = counts.length - 1; index > 0; ) {
        const parent = (index - 1) >> 1;
        if (!before(index, parent)) break;
        swap(index, parent);
        index = parent;
      }
    },
    pop() {
      if (counts.length === 0) return undefined;
      const top = { count: count(0), pair: pair(0) };
      swap(0, counts.length - 1);
      counts.pop();
      pairs.pop();
      for (let index = 0; ; ) {
        const left = index * 2 + 1;
        const right = left + 1;
        let first = index;
        if (left < counts.length && before(left, first)) first = left;
        if (right < counts.length && before(right, first)) first = right;
        if (first === index) break;
        swap(index, first);
        index = first;
      }
      return top;
    },
  };
}
