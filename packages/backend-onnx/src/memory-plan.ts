import { bytesPerElement, type Graph, sizeOf } from '@tesserae/core';

/** Above this many bytes of values a plan is not worth its memory. */
const largestPlanned = 64 * 2 ** 20;

/**
 * Whether ONNX Runtime should plan a program's memory (`enableMemPattern`). It notes in the first run where values lie and takes one block for all of
 * them from the second run on, beside what the first run's arena keeps: a training step then needs 1.6 times the memory, and took the same time
 * (ONNX Runtime 1.30).
 */
export function plansMemory({ nodes }: Graph): boolean {
  return nodes.reduce((bytes, { shape, dtype }) => bytes + sizeOf(shape) * bytesPerElement[dtype], 0) <= largestPlanned;
}
