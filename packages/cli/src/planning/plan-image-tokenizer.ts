import { claimedComposites } from '@tesserae/backend-onnx';
import { countFlops, memoryUse } from '@tesserae/core';
import { canEncode, decodingGraph, encodingGraph, gridOf, type ImageTokenizerConfiguration, imageTokenizerParameters } from '@tesserae/dvae';
import { countParameters, type PartCount, parametersByPart } from './parameters.js';

export interface ImageTokenizerCost {
  readonly kind: string;
  readonly parameters: number;
  readonly parts: readonly PartCount[];
  /** A picture of the training size. */
  readonly encodeFlops?: number;
  readonly decodeFlops: number;
  /** Values needed at once while one picture is decoded, weights not counted. */
  readonly decodeBytes: number;
}

/** What an image tokenizer costs: counted on the graphs that run it. */
export function planImageTokenizerUse(configuration: ImageTokenizerConfiguration): ImageTokenizerCost {
  const specs = imageTokenizerParameters(configuration);
  const grid = gridOf(configuration);
  const decoding = decodingGraph(configuration, 1, grid);
  const parts = new Map<string, number>();
  for (const { part, parameters } of parametersByPart(specs.values())) {
    const half = part.split('.')[0] ?? part;
    parts.set(half, (parts.get(half) ?? 0) + parameters);
  }
  return {
    kind: configuration.kind,
    parameters: countParameters(specs.values()),
    parts: Array.from(parts, ([part, parameters]) => ({ part, parameters })),
    ...(canEncode(configuration) ? { encodeFlops: countFlops(encodingGraph(configuration, 1, grid)).total } : {}),
    decodeFlops: countFlops(decoding).total,
    decodeBytes: memoryUse(decoding, { composites: new Set(claimedComposites) }).peak,
  };
}
