/** Numbers waiting their turn: the highest priority first; among equals the lowest number, so that what is done with them is deterministic. */
export interface PriorityQueue {
  push(priority: number, item: number): void;
  pop(): { readonly priority: number; readonly item: number } | undefined;
}

/** A binary heap in two flat arrays. */
export function createPriorityQueue(): PriorityQueue {
  const priorities: number[] = [];
  const items: number[] = [];
  const priority = (index: number): number => priorities[index] ?? Number.NEGATIVE_INFINITY;
  const item = (index: number): number => items[index] ?? Number.POSITIVE_INFINITY;
  const before = (a: number, b: number): boolean => priority(a) > priority(b) || (priority(a) === priority(b) && item(a) < item(b));
  const swap = (a: number, b: number): void => {
    [priorities[a], priorities[b]] = [priority(b), priority(a)];
    [items[a], items[b]] = [item(b), item(a)];
  };
  return {
    push(newPriority, newItem) {
      priorities.push(newPriority);
      items.push(newItem);
      for (let index = priorities.length - 1; index > 0; ) {
        const parent = (index - 1) >> 1;
        if (!before(index, parent)) break;
        swap(index, parent);
        index = parent;
      }
    },
    pop() {
      if (priorities.length === 0) return undefined;
      const top = { priority: priority(0), item: item(0) };
      swap(0, priorities.length - 1);
      priorities.pop();
      items.pop();
      for (let index = 0; ; ) {
        const left = index * 2 + 1;
        const right = left + 1;
        let first = index;
        if (left < priorities.length && before(left, first)) first = left;
        if (right < priorities.length && before(right, first)) first = right;
        if (first === index) break;
        swap(index, first);
        index = first;
      }
      return top;
    },
  };
}
