import { type HostArray, sameShape, sizeOf } from '../../tensor/index.js';
import type { Backend } from '../backend.js';
import { evaluateGraph } from '../reference/index.js';
import { conformanceCases } from './cases.js';
import type { ConformanceCase } from './conformance-case.js';

/** Cases a backend cannot pass, and why: shown in every run. */
export interface ConformanceExclusion {
  /** Matches names of cases. */
  readonly pattern: RegExp;
  readonly reason: string;
}

export interface ConformanceResult {
  readonly name: string;
  readonly status: 'passed' | 'failed' | 'excluded';
  /** Largest |difference| / (1 + |expected|). */
  readonly error: number;
  /** Why it failed or was excluded. */
  readonly reason: string;
}

/** The largest difference of two arrays, relative to 1 + |expected|; infinite when they are not comparable. */
export function arrayError(actual: HostArray | undefined, expected: HostArray): number {
  if (actual === undefined || actual.dtype !== expected.dtype || !sameShape(actual.shape, expected.shape) || actual.data.length !== sizeOf(expected.shape))
    return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let index = 0; index < expected.data.length; index += 1) {
    const [a, b] = [actual.data[index] ?? Number.NaN, expected.data[index] ?? Number.NaN];
    // Equal infinities and NaNs agree.
    if (Object.is(a, b) || a === b) continue;
    const difference = Math.abs(a - b) / (1 + Math.abs(b));
    if (!(difference <= worst)) worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }
  return worst;
}

async function runCase(backend: Backend, test: ConformanceCase): Promise<ConformanceResult> {
  const expected = evaluateGraph(test.graph, { inputs: test.inputs, ...(test.state === undefined ? {} : { state: test.state }) });
  const store = test.state === undefined ? undefined : await backend.createState(test.state);
  try {
    const program = await backend.compile(test.graph, store === undefined ? {} : { state: store });
    try {
      const outputs = await program.run(test.inputs);
      const errors = Object.entries(expected.outputs).map(([name, value]) => arrayError(outputs[name], value));
      for (const [name, value] of Object.entries(expected.updates)) errors.push(arrayError(await store?.read(name), value));
      const error = Math.max(0, ...errors);
      return {
        name: test.name,
        status: error <= test.tolerance ? 'passed' : 'failed',
        error,
        reason: error <= test.tolerance ? '' : `differs by ${error.toExponential(2)}, ${test.tolerance} allowed`,
      };
    } finally {
      program.dispose();
    }
  } catch (cause) {
    return { name: test.name, status: 'failed', error: Number.POSITIVE_INFINITY, reason: cause instanceof Error ? cause.message : String(cause) };
  } finally {
    store?.dispose();
  }
}

/**
 * Compares a backend with the reference on every case.
 * @param options.exclude cases it cannot pass, with the reason. @param options.only a pattern, for slow engines.
 */
export async function runConformance(backend: Backend, options: { readonly exclude?: readonly ConformanceExclusion[]; readonly only?: RegExp } = {}): Promise<ConformanceResult[]> {
  const { exclude = [], only } = options;
  const results: ConformanceResult[] = [];
  for (const test of conformanceCases()) {
    if (only !== undefined && !only.test(test.name)) continue;
    const exclusion = exclude.find(({ pattern }) => pattern.test(test.name));
    results.push(exclusion === undefined ? await runCase(backend, test) : { name: test.name, status: 'excluded', error: 0, reason: exclusion.reason });
  }
  return results;
}
