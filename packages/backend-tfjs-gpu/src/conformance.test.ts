import { runConformance } from '@tesserae/core/conformance';
import { describe, expect, it } from 'vitest';
import { createNodeTfjsBackend } from './node/index.js';

describe('tfjs-gpu passes the conformance suite, nothing excluded', () => {
  it.each(['wasm', 'cpu'] as const)('on %s', async (device) => {
    const results = await runConformance(await createNodeTfjsBackend({ device }));
    expect(results.length).toBeGreaterThan(300);
    expect(results.filter(({ status }) => status !== 'passed')).toEqual([]);
  });
});
