import type { Picture } from '../models/index.js';
import type { GeneratedImage } from './result.js';

/** What happens while pictures are made, in order. */
export type GenerateEvent =
  | { readonly type: 'generate-start'; readonly prompt: string; readonly seed: number; readonly candidates: number }
  | { readonly type: 'batch-start'; readonly candidates: readonly number[] }
  /** A row of tokens of every candidate of the batch: `tokens` [candidates][columns]. */
  | { readonly type: 'row-end'; readonly candidates: readonly number[]; readonly row: number; readonly rows: number; readonly tokens: readonly Int32Array[] }
  /** What is there so far as a picture; rows still to come are filled with the last one made. */
  | { readonly type: 'preview-available'; readonly candidate: number; readonly row: number; readonly picture: Picture }
  | { readonly type: 'candidate-end'; readonly image: GeneratedImage }
  | { readonly type: 'warning'; readonly warning: GenerateWarning }
  | { readonly type: 'generate-end'; readonly milliseconds: number };

/** Something that did not stop the call. */
export interface GenerateWarning {
  /** `pipeline` or a plugin's name. */
  readonly source: string;
  readonly message: string;
}
