import { type Engine, engines } from '../../../backend-onnx/src/__fixtures__/engines.js';
import { createNodeTfjsBackend } from '../node/index.js';

/** The engines that models' numbers are checked on, and TensorFlow.js for a sample of the recordings. */
export const allEngines: readonly Engine[] = [
  ...engines,
  ...(['wasm', 'cpu'] as const).map((device) => ({ name: `tfjs-gpu on ${device}`, open: () => createNodeTfjsBackend({ device }) })),
];
