import { describe, expect, it } from 'vitest';
import { operatorTimes } from './profile.js';

const node = (operator: string, ts: number, dur: number) => ({ cat: 'Node', name: `${operator}_1_kernel_time`, ts, dur, args: { op_name: operator } });
const run = (ts: number, dur: number) => ({ cat: 'Session', name: 'model_run', ts, dur, args: {} });

describe('operatorTimes', () => {
  it('sums each operator over the quickest run, most time first', () => {
    const slow = [node('Conv', 10, 900), node('Add', 920, 50), run(0, 1000)];
    const quick = [node('Add', 2010, 100), node('Conv', 2120, 200), node('Conv', 2330, 100), { ...node('Conv', 2330, 7), name: 'Conv_1_fence_before' }, run(2000, 500)];
    expect(operatorTimes([...slow, ...quick])).toEqual({
      milliseconds: 0.5,
      operators: [
        { operator: 'Conv', calls: 2, milliseconds: expect.closeTo(0.3), share: expect.closeTo(75) },
        { operator: 'Add', calls: 1, milliseconds: expect.closeTo(0.1), share: expect.closeTo(25) },
      ],
    });
  });

  it('says that nothing ran', () => {
    expect(() => operatorTimes([])).toThrow('no run');
  });
});
