import { runConformance } from '@tesserae/core/conformance';
import { expect, it } from 'vitest';
import { createNodeOnnxBackend } from './node/index.js';

it('passes the conformance suite on the CPU', async () => {
  const results = await runConformance(await createNodeOnnxBackend({ threads: 1 }));
  expect(results.length).toBeGreaterThan(300);
  expect(results.filter(({ status }) => status !== 'passed')).toEqual([]);
});
