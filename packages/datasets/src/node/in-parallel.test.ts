import { describe, expect, it } from 'vitest';
import { inParallel } from './in-parallel.js';

const later = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

describe('inParallel', () => {
  it('does everything once, in order of starting, never more than the width at a time', async () => {
    const started: number[] = [];
    let running = 0;
    let most = 0;
    await inParallel(20, 3, undefined, async (index) => {
      started.push(index);
      running += 1;
      most = Math.max(most, running);
      await later();
      running -= 1;
    });
    expect(started).toEqual(Array.from({ length: 20 }, (_, index) => index));
    expect(most).toBe(3);
  });

  it('stops at the first failure, after the running calls', async () => {
    const ended: number[] = [];
    const work = async (index: number): Promise<void> => {
      if (index === 2) throw new Error('two failed');
      await later();
      ended.push(index);
    };
    await expect(inParallel(100, 2, undefined, work)).rejects.toThrow('two failed');
    expect(ended.length).toBeLessThan(5);
  });

  it('stops with the reason of the signal', async () => {
    const controller = new AbortController();
    const done: number[] = [];
    const work = async (index: number): Promise<void> => {
      await later();
      done.push(index);
      if (index === 5) controller.abort(new Error('enough'));
    };
    await expect(inParallel(100, 1, controller.signal, work)).rejects.toThrow('enough');
    expect(done).toEqual([0, 1, 2, 3, 4, 5]);
  });
});
