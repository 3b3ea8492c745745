import { describe, expect, it } from 'vitest';
import { curvesOf, drawCurves } from './curves.js';

const lines = [
  { step: 2, loss: 3 },
  { step: 1, loss: 5, milliseconds: 9 },
  { step: 2, psnr: 21 },
]
  .map((entry) => JSON.stringify(entry))
  .join('\n');

describe('curves of a training', () => {
  it('are its numbers by name and in order of the steps', () => {
    expect(curvesOf(lines)).toEqual([
      {
        name: 'loss',
        points: [
          [1, 5],
          [2, 3],
        ],
      },
      { name: 'psnr', points: [[2, 21]] },
    ]);
  });

  it('pass over a last line that a crash cut off, and over numbers that are none', () => {
    expect(curvesOf(`${lines}\n{"step": 3, "lo`)).toHaveLength(2);
    expect(curvesOf('{"step":1,"loss":null}')).toEqual([]);
  });

  it('fall from the top left to the bottom right of their panel when the loss falls', () => {
    const points = /polyline points="([^"]+)"/.exec(drawCurves(curvesOf('{"step":1,"loss":5}\n{"step":2,"loss":3}')))?.[1];
    expect(points).toBe('56.0,28.0 348.0,176.0');
  });

  it('average long trainings to a readable number of points', () => {
    const long = Array.from({ length: 5000 }, (_, step) => JSON.stringify({ step, loss: step % 2 })).join('\n');
    const points = /polyline points="([^"]+)"/.exec(drawCurves(curvesOf(long)))?.[1]?.split(' ') ?? [];
    expect(points.length).toBe(200);
  });
});
