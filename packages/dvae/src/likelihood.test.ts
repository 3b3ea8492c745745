import { float32Array, trace } from '@tesserae/core';
import { createReferenceBackend, evaluateGraph } from '@tesserae/core/reference';
import { describe, expect, it } from 'vitest';
import { mapPixels, negativeLogLikelihood, pixelMargin, pixelsFromMaps } from './likelihood.js';

const logit = (x: number): number => Math.log(x / (1 - x));

/** −ln p(x) of one value, as a function. */
async function densityOf(minimumLogScale?: number): Promise<(x: number, location: number, logScale: number) => Promise<number>> {
  const program = await createReferenceBackend().compile(
    trace('density', (scope) => {
      scope.output('nll', negativeLogLikelihood(scope.input('x', [1, 3, 1, 1]), scope.input('maps', [1, 6, 1, 1]), minimumLogScale));
    }),
  );
  return async (x, location, logScale) => {
    const maps = float32Array([1, 6, 1, 1], [location, location, location, logScale, logScale, logScale]);
    const { nll } = await program.run({ x: float32Array([1, 3, 1, 1], [x, x, x]), maps });
    return nll?.data[0] ?? Number.NaN;
  };
}

describe('the logit-Laplace likelihood', () => {
  it.each([
    [0, 0],
    [1.5, -1],
    [-0.7, -0.3],
  ])('integrates to 1 over (0, 1) for μ %d and ln b %d', async (location, logScale) => {
    const density = await densityOf();
    // In steps of logit(x), where the density is smooth; dx = x(1−x) dlogit.
    const step = 0.02;
    let integral = 0;
    for (let at = -12; at < 12; at += step) {
      const x = Math.fround(1 / (1 + Math.exp(-(at + step / 2))));
      integral += Math.exp(-(await density(x, location, logScale))) * x * (1 - x) * step;
    }
    expect(integral).toBeCloseTo(1, 3);
  });

  it('is the mean over all values', () => {
    const graph = trace('mean', (scope) => {
      scope.output('nll', negativeLogLikelihood(scope.input('x', [1, 3, 1, 2]), scope.input('maps', [1, 6, 1, 2])));
    });
    const x = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7];
    const location = [0, 0.5, -0.5, 1, -1, 2];
    const logScale = [0, -0.5, 0.5, -1, 1, -2];
    const { outputs } = evaluateGraph(graph, { inputs: { x: float32Array([1, 3, 1, 2], x), maps: float32Array([1, 6, 1, 2], [...location, ...logScale]) } });
    const each = x.map((value, index) => {
      const b = Math.exp(logScale[index] ?? 0);
      return Math.log(2 * b * value * (1 - value)) + Math.abs(logit(value) - (location[index] ?? 0)) / b;
    });
    expect(outputs.nll?.data[0]).toBeCloseTo(each.reduce((sum, value) => sum + value, 0) / 6, 5);
  });

  it('does not sharpen below the smallest scale', async () => {
    const density = await densityOf(-2);
    expect(await density(0.3, 0, -5)).toBe(await density(0.3, 0, -2));
    expect(await density(0.3, 0, -1)).not.toBe(await density(0.3, 0, -2));
  });
});

describe('the pixel map', () => {
  const values = [0, 1 / 255, 0.25, 0.5, 254 / 255, 1, 0.1, 0.9, 0.7, 0.3, 0.999, 0.001];

  it('comes back from the location that means its value', () => {
    const graph = trace('map', (scope) => {
      scope.output('mapped', mapPixels(scope.input('pixels', [1, 3, 2, 2])));
      scope.output('back', pixelsFromMaps(scope.input('maps', [1, 6, 2, 2])));
    });
    const locations = values.map((value) => logit(pixelMargin + (1 - 2 * pixelMargin) * value));
    // The scales are no part of a picture.
    const maps = float32Array([1, 6, 2, 2], [...locations, ...values.map(() => 9)]);
    const { outputs } = evaluateGraph(graph, { inputs: { pixels: float32Array([1, 3, 2, 2], values), maps } });
    values.forEach((value, index) => {
      expect(outputs.mapped?.data[index]).toBeCloseTo(pixelMargin + (1 - 2 * pixelMargin) * value, 6);
      expect(outputs.back?.data[index]).toBeCloseTo(value, 6);
    });
  });

  it('clamps what lies outside of [0, 1]', () => {
    const graph = trace('clamp', (scope) => {
      scope.output('pixels', pixelsFromMaps(scope.input('maps', [1, 6, 1, 1])));
    });
    const { outputs } = evaluateGraph(graph, { inputs: { maps: float32Array([1, 6, 1, 1], [-20, 20, 0, 0, 0, 0]) } });
    expect(Array.from(outputs.pixels?.data ?? [])).toEqual([0, 1, 0.5]);
  });
});
