import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';

/** Tells TensorFlow.js where its WASM binaries are: beside the package's own files. By itself it would fetch them by URL. */
export async function locateWasm(): Promise<void> {
  const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
  setWasmPaths(dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm')) + sep);
}
