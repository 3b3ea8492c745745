import { deriveKey, keyFromSeed, normalArray } from '@tesserae/core';
import { describe, expect, it } from 'vitest';
import { clusterRows, spreadRows } from './cluster-rows.js';

describe('spreadRows', () => {
  const key = keyFromSeed(1);

  it('picks distinct rows, up to all of them', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const features = normalArray(keyFromSeed(seed), 40 * 3);
      const chosen = spreadRows(features, 3, 40, deriveKey(key, seed));
      expect([...chosen].sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, row) => row));
    }
  });

  it('takes one of each far cluster before a second of any', () => {
    const noise = normalArray(keyFromSeed(7), 60 * 2);
    const features = Float32Array.from({ length: 60 * 2 }, (_, index) => 1e4 * (Math.floor(index / 2) % 6) + (noise[index] ?? 0));
    const clusters = [...spreadRows(features, 2, 6, key)].map((row) => row % 6);
    expect(clusters.sort()).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('is decided by its key', () => {
    const features = normalArray(keyFromSeed(8), 50 * 4);
    expect(spreadRows(features, 4, 10, key)).toEqual(spreadRows(features, 4, 10, key));
    expect(spreadRows(features, 4, 10, key)).not.toEqual(spreadRows(features, 4, 10, keyFromSeed(2)));
  });

  it('gives as many rows as asked for when there are fewer different ones', () => {
    const chosen = spreadRows(Float32Array.of(1, 1, 1, 2), 1, 5, key);
    expect(chosen).toHaveLength(5);
    expect(new Set([...chosen].map((row) => (row < 3 ? 1 : 2)))).toEqual(new Set([1, 2]));
  });
});

describe('clusterRows', () => {
  it('finds the means of separate clusters', () => {
    const noise = normalArray(keyFromSeed(3), 90 * 2);
    const features = Float32Array.from({ length: 90 * 2 }, (_, index) => 100 * (Math.floor(index / 2) % 3) + (noise[index] ?? 0));
    const centres = clusterRows(features, 2, 3, keyFromSeed(1));
    const means = Array.from({ length: 3 }, (_, cluster) =>
      [0, 1].map((axis) => Array.from({ length: 30 }, (_unused, member) => features[(member * 3 + cluster) * 2 + axis] ?? 0).reduce((sum, value) => sum + value, 0) / 30),
    );
    const found = Array.from({ length: 3 }, (_, centre) => [centres[centre * 2] ?? 0, centres[centre * 2 + 1] ?? 0]).sort(([a = 0], [b = 0]) => a - b);
    found.flat().forEach((value, index) => {
      expect(value).toBeCloseTo(means.flat()[index] ?? Number.NaN, 3);
    });
  });

  it('keeps centres finite where there are more of them than different rows', () => {
    const centres = clusterRows(Float32Array.of(1, 1, 1, 5), 1, 4, keyFromSeed(1));
    expect([...new Set(centres)].sort()).toEqual([1, 5]);
  });
});
