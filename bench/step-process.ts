import { createNodeOnnxBackend } from '@tesserae/backend-onnx/node';
import type { PriorConfiguration, PriorLossOptions } from '@tesserae/transformer';
import { timed } from './measure.js';
import { priorStep } from './prior-step.js';

/** What a process of this file is told to train, as JSON in its first argument. */
export interface StepSetting {
  readonly configuration: PriorConfiguration;
  readonly options: PriorLossOptions;
}

/** Answers every message with one update: its seconds and the most memory that the process has had so far, in bytes. */
export interface StepAnswer {
  readonly seconds: number;
  readonly peak: number;
  /** The same before anything was compiled: Node, the engine, the sources, and the parameters with their moments. */
  readonly before: number;
}

// `maxRSS` is in KiB.
const peak = (): number => process.resourceUsage().maxRSS * 1024;

const { configuration, options } = JSON.parse(process.argv[2] ?? '') as StepSetting;
const { step, state: initial, inputs } = priorStep(configuration, options);
const backend = await createNodeOnnxBackend();
const state = await backend.createState(initial);
const before = peak();
const program = await backend.compile(step.graph, { state });
process.on('message', () => {
  void timed(() => program.run(inputs)).then((seconds) => process.send?.({ seconds, peak: peak(), before } satisfies StepAnswer));
});
