import type { Grid, Picture } from '../models/index.js';
import type { GenerateWarning } from './events.js';

export interface GeneratedImage {
  readonly picture: Picture;
  /** int32, row-major over `grid`. */
  readonly codes: Int32Array;
  readonly grid: Grid;
  /** Its number under the seed: asking for more, or in other batches, changes no candidate. */
  readonly candidate: number;
  readonly seed: number;
  /** Set by plugins such as rerank. */
  readonly score?: number;
}

export interface GenerateResult {
  readonly images: readonly GeneratedImage[];
  readonly seed: number;
  readonly warnings: readonly GenerateWarning[];
  /** Milliseconds by phase. */
  readonly timings: { readonly decode: number; readonly pixels: number; readonly total: number };
}
