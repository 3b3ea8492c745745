import { writeFileSync } from 'node:fs';
import { isTesseraeError } from '@tesserae/core';
import { type ConformanceResult, runConformance } from '@tesserae/core/conformance';
import * as tf from '@tensorflow/tfjs-core';
import { createNodeTfjsBackend } from '../node/index.js';
import { differenceFromReference, difficultGraphs } from './difficult-graphs.js';

/** What the WebGPU run found, as JSON: what this program writes to the file named by its argument. */
export type WebGpuReport =
  | { readonly adapter: false; readonly reason: string }
  | {
      readonly adapter: true;
      readonly description: string;
      readonly conformance: readonly ConformanceResult[];
      /** Largest difference from the reference by name of the graph, or a message. */
      readonly difficult: Readonly<Record<string, number | string>>;
      /** Tensors left when everything was disposed. */
      readonly tensorsLeft: number;
    };

async function report(): Promise<WebGpuReport> {
  try {
    const backend = await createNodeTfjsBackend({ device: 'webgpu' });
    const before = tf.memory().numTensors;
    const conformance = await runConformance(backend);
    const difficult: Record<string, number | string> = {};
    for (const graph of difficultGraphs) difficult[graph.name] = await differenceFromReference(backend, graph);
    await backend.dispose();
    return { adapter: true, description: backend.description, conformance, difficult, tensorsLeft: tf.memory().numTensors - before };
  } catch (cause) {
    if (isTesseraeError(cause) && (cause.code === 'backend-unavailable' || cause.code === 'missing-dependency')) {
      const { refused } = cause.details;
      return { adapter: false, reason: Array.isArray(refused) ? refused.join('; ') : cause.message };
    }
    throw cause;
  }
}

writeFileSync(process.argv[2] ?? 'webgpu-report.json', JSON.stringify(await report()));
// Dawn's device would keep the process alive, and its teardown is not what is tested.
process.exit(0);
