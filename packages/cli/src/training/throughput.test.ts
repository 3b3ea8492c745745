import { matMul, trace } from '@tesserae/core';
import { createReferenceBackend } from '@tesserae/core/reference';
import { describe, expect, it } from 'vitest';
import { createThroughputMeter, describeThroughput, learntFrom, matrixProductRate } from './throughput.js';

/** A "training step" of 2·3·4·5 = 120 FLOPs. */
const step = trace('step', (scope) => {
  scope.input('text', [2, 6], 'int32');
  scope.input('codes', [2, 10], 'int32');
  scope.output('loss', matMul(scope.input('x', [3, 4]), scope.input('y', [4, 5])));
});

describe('throughput of a training', () => {
  it('counts text and image tokens, or pictures where pixels are seen', () => {
    expect(learntFrom(step)).toEqual({ unit: 'tokens', count: 32 });
    const withPixels = trace('pixels', (scope) => {
      scope.input('codes', [8, 10], 'int32');
      scope.output('loss', scope.input('pixels', [8, 3, 4, 4]));
    });
    expect(learntFrom(withPixels)).toEqual({ unit: 'pictures', count: 8 });
  });

  it('is of the last updates beside the bar, and of all but the first in the end', () => {
    const meter = createThroughputMeter([step], 1000);
    expect([meter.recent(), meter.overall()]).toEqual([undefined, undefined]);
    // Resumed at 100; the first update starts the engine.
    meter.add(101, 10_000);
    expect(meter.overall()).toBeUndefined();
    for (let done = 102; done <= 140; done += 1) meter.add(done, done <= 120 ? 1000 : 500);
    expect(meter.recent()).toEqual({ unit: 'tokens', seen: 140 * 32, perSecond: 64, flopsPerSecond: 240, utilisation: 0.24 });
    const seconds = 19 * 1 + 20 * 0.5;
    expect(meter.overall()?.perSecond).toBeCloseTo((39 * 32) / seconds, 9);
    expect(meter.overall()?.flopsPerSecond).toBeCloseTo((39 * 120) / seconds, 9);
  });

  it('is that of all batches that an update is the mean of', () => {
    const part = trace('part', (scope) => {
      scope.input('codes', [2, 10], 'int32');
      scope.output('loss', matMul(scope.input('x', [1, 4]), scope.input('y', [4, 5])));
    });
    const meter = createThroughputMeter([part, part, step], undefined);
    for (const done of [1, 2]) meter.add(done, 1000);
    // 20 + 20 + 32 tokens and 40 + 40 + 120 FLOPs.
    expect(meter.overall()).toEqual({ unit: 'tokens', seen: 144, perSecond: 72, flopsPerSecond: 200 });
  });

  it('is said in a line, without a share where no rate is known', () => {
    expect(describeThroughput({ unit: 'tokens', seen: 1_310_720, perSecond: 8421, flopsPerSecond: 6.1e10, utilisation: 0.523 })).toBe(
      '1.31 M tokens, 8.42 k/s, 61.0 GFLOP/s (52 % of matrix products)',
    );
    expect(describeThroughput({ unit: 'pictures', seen: 640, perSecond: 12.3, flopsPerSecond: 6.1e10 })).toBe('640 pictures, 12.3 /s, 61.0 GFLOP/s');
  });

  it('measures a rate above nothing, or none of an engine that is slow', async () => {
    const rate = await matrixProductRate(createReferenceBackend());
    expect(rate === undefined || rate > 0).toBe(true);
  });
});
