import { bytesPerElement, sizeOf, type TensorType, TesseraeError } from '@tesserae/core';
import { headSizeOf, type PriorConfiguration } from './configuration.js';
import { layerStorages } from './decode-graph.js';
import { decodeStateTypes } from './decode-session.js';
import type { DecodeBatch } from './layer-cache.js';

const bytesOf = ({ shape, dtype }: TensorType): number => sizeOf(shape) * bytesPerElement[dtype];

/**
 * Bytes that decoding a batch keeps beside the weights: caches, scores and memory between calls, and a span's own keys and
 * values or a window, of which a loop holds the old and the new. What one layer makes and drops again is small beside them.
 */
export function decodeBytes(configuration: PriorConfiguration, batch: DecodeBatch): number {
  const kept = Array.from(decodeStateTypes(configuration, batch).values()).reduce((sum, type) => sum + bytesOf(type), 0);
  const position = batch.branches * batch.candidates * configuration.heads * headSizeOf(configuration) * bytesPerElement.float32;
  const positions = layerStorages(configuration, batch).reduce((sum, { layout }) => sum + (layout.kind === 'window' ? layout.positions : batch.span), 0);
  return kept + 4 * positions * position;
}

/** Guidance asks every candidate by two texts. */
const usualBranches = 2;

/**
 * The most candidates, up to `most`, that can be decoded together, a row at a time and with guidance, within `memoryBudget`
 * bytes; at least one.
 * @throws TesseraeError `invalid-argument` for a budget that is no positive number.
 */
export function batchWithin(configuration: PriorConfiguration, memoryBudget: number, most: number): number {
  if (!(memoryBudget > 0)) {
    throw new TesseraeError('invalid-argument', `Decoding was given ${memoryBudget} bytes of memory.`, { remedy: 'Give a positive number of bytes.', details: { memoryBudget } });
  }
  const bytes = (candidates: number): number => decodeBytes(configuration, { candidates, branches: usualBranches, span: configuration.grid.columns });
  // From two candidates on, each adds the same; the first is stored otherwise (`CacheStorage`).
  const each = bytes(3) - bytes(2);
  const shared = bytes(2) - 2 * each;
  return Math.max(1, Math.min(most, Math.floor((memoryBudget - shared) / each)));
}
