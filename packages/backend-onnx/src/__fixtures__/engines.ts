import type { Backend } from '@tesserae/core';
import { createReferenceBackend } from '@tesserae/core/reference';
import { createNodeOnnxBackend } from '../node/index.js';

/** One thread: other tests run beside. */
export const openOnnx = (): Promise<Backend> => createNodeOnnxBackend({ threads: 1 });

export interface Engine {
  readonly name: string;
  readonly open: () => Promise<Backend>;
}

/** The engines that the models' numbers are checked on. */
export const engines: readonly Engine[] = [
  { name: 'reference', open: async () => createReferenceBackend() },
  { name: 'onnx', open: openOnnx },
];
