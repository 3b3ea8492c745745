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
    const centres = clusterRows(features, { width: 2, count: 3, key: keyFromSeed(1) }).centres;
    const means = Array.from({ length: 3 }, (_, cluster) =>
      [0, 1].map((axis) => Array.from({ length: 30 }, (_unused, member) => features[(member * 3 + cluster) * 2 + axis] ?? 0).reduce((sum, value) => sum + value, 0) / 30),
    );
    const found = Array.from({ length: 3 }, (_, centre) => [centres[centre * 2] ?? 0, centres[centre * 2 + 1] ?? 0]).sort(([a = 0], [b = 0]) => a - b);
    found.flat().forEach((value, index) => {
      expect(value).toBeCloseTo(means.flat()[index] ?? Number.NaN, 3);
    });
  });

  it('keeps centres finite where there are more of them than different rows', () => {
    const { centres } = clusterRows(Float32Array.of(1, 1, 1, 5), { width: 1, count: 4, key: keyFromSeed(1) });
    expect([...new Set(centres)].sort()).toEqual([1, 5]);
  });

  describe('with a rate weight', () => {
    // Two places of 400 rows with a little noise, and ten rare ones: what the noise is to the first is what matters to the second.
    const noise = normalArray(keyFromSeed(4), 900 * 2);
    const features = Float32Array.from({ length: 900 * 2 }, (_, index) => {
      const row = Math.floor(index / 2);
      const [place, spread] = row < 800 ? [row % 2, 0.3] : [2 + (row % 10), 0.01];
      return 10 * place + spread * (noise[index] ?? 0);
    });
    const options = { width: 2, count: 40, key: keyFromSeed(1) };
    const assign = ({ centres, penalties }: ReturnType<typeof clusterRows>): number[] =>
      Array.from({ length: 900 }, (_, row) => {
        const costs = Array.from(
          penalties,
          (penalty, centre) => ((features[row * 2] ?? 0) - (centres[centre * 2] ?? 0)) ** 2 + ((features[row * 2 + 1] ?? 0) - (centres[centre * 2 + 1] ?? 0)) ** 2 + penalty,
        );
        return costs.indexOf(Math.min(...costs));
      });
    const codesOfRows = (from: number, to: number, assigned: readonly number[]): number => new Set(assigned.slice(from, to)).size;

    it('spends few centres on what is frequent and alike, and keeps what is rare and different apart', () => {
      const plain = assign(clusterRows(features, options));
      const rated = assign(clusterRows(features, { ...options, rateWeight: 10 }));
      expect(codesOfRows(0, 800, plain)).toBeGreaterThan(20);
      expect(codesOfRows(0, 800, rated)).toBeLessThan(codesOfRows(0, 800, plain) / 2);
      expect(codesOfRows(800, 900, rated)).toBe(10);
    });

    it('lowers what the codes cost, distance and rate together', () => {
      const cost = (clusters: ReturnType<typeof clusterRows>, lambda: number): number => {
        const assigned = assign(clusters);
        const sizes = new Map<number, number>();
        for (const centre of assigned) sizes.set(centre, (sizes.get(centre) ?? 0) + 1);
        return assigned.reduce((sum, centre, row) => {
          const distance = [0, 1].reduce((total, axis) => total + ((features[row * 2 + axis] ?? 0) - (clusters.centres[centre * 2 + axis] ?? 0)) ** 2, 0);
          return sum + distance - lambda * Math.log((sizes.get(centre) ?? 0) / 900);
        }, 0);
      };
      const rated = clusterRows(features, { ...options, rateWeight: 10 });
      // λ as it was used: a penalty is λ times the nats of a centre's share.
      const lambda = Math.max(...rated.penalties) / Math.log(900 / 0.5);
      expect(cost(rated, lambda)).toBeLessThan(0.9 * cost(clusterRows(features, options), lambda));
    });

    it('has penalties that are finite, largest where no row is left', () => {
      const { penalties, centres } = clusterRows(features, { ...options, rateWeight: 20 });
      expect([...penalties, ...centres].every(Number.isFinite)).toBe(true);
      expect([...clusterRows(features, options).penalties].every((penalty) => penalty === 0)).toBe(true);
    });
  });
});
