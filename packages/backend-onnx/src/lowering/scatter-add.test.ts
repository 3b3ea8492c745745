import { float32Array, int32Array, scatterAdd, trace } from '@tesserae/core';
import { expect, it } from 'vitest';
import { createNodeOnnxBackend } from '../node/index.js';

it('adds up what goes to the same row, every time', async () => {
  const [count, width, rows] = [2560, 128, 64];
  const graph = trace('sums', (scope) => scope.output('y', scatterAdd(scope.input('rows', [count], 'int32'), scope.input('x', [count, width]), rows)));
  const indices = Int32Array.from({ length: count }, (_, index) => (index * 7919) % 5);
  // Whole numbers: their sums are the same in any order.
  const values = Float32Array.from({ length: count * width }, (_, index) => (index % 13) - 6);
  const sums = new Float32Array(rows * width);
  for (const [place, value] of values.entries()) {
    const sum = (indices[Math.floor(place / width)] ?? 0) * width + (place % width);
    sums[sum] = (sums[sum] ?? 0) + value;
  }
  const program = await (await createNodeOnnxBackend({ threads: 2 })).compile(graph);
  // Two threads that add to one row at once lose something in every third or fourth run only.
  for (let run = 0; run < 30; run += 1) {
    const { y } = await program.run({ rows: int32Array([count], indices), x: float32Array([count, width], values) });
    expect(y?.data).toEqual(sums);
  }
  program.dispose();
});
