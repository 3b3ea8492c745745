import { createNodeOnnxBackend } from '../node/index.js';
import type { Backend } from '@tesserae/core';
import { createReferenceBackend } from '@tesserae/core/reference';

/** One thread: other tests run beside. */
export const openOnnx = (): Promise<Backend> => createNodeOnnxBackend({ threads: 1 });

/** The engines that the models' numbers are checked on. */
export const engines: readonly { readonly name: string; readonly open: () => Promise<Backend> }[] = [
  { name: 'reference', open: async () => createReferenceBackend() },
  { name: 'onnx', open: openOnnx },
];
