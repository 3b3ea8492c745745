import { deriveKey, type GeneratedImage, type Grid, keyFromSeed, randomWords, type SamplingPlugin, TesseraeError } from '@tesserae/core';
import { cutWindow, pasteWindow, windowPlaces } from './windows.js';

export interface TilingOptions {
  /** The canvas in tokens; at least the model's own grid each way. */
  readonly canvas: Grid;
  /** Tokens two neighbouring windows share. Default: half of the model's grid. */
  readonly overlap?: number;
  /** The caption of a window, if not the request's: by its place on the canvas, in tokens. */
  readonly caption?: (place: { readonly row: number; readonly column: number }) => string;
}

/** A seed for each window, so that no two windows draw the same numbers. The first keeps the request's own. */
function windowSeed(seed: number, index: number): number {
  return index === 0 ? seed : (randomWords(deriveKey(keyFromSeed(seed), 'tiling', index), 1)[0] ?? 0);
}

/**
 * Pictures larger than the model's own: windows in reading order, each a call of its own whose overlap with what is there
 * already is known (as taming-transformers' sliding window, by whole windows instead of single tokens). The canvas of
 * codes is decoded once, so that pixels know no seams.
 */
export function tiling(options: TilingOptions): SamplingPlugin {
  const { canvas } = options;
  return {
    name: 'tiling',
    specificationVersion: 'v1',
    async wrapGenerate(next, request, { host, signal }) {
      const size = host.prior.grid;
      const overlap = options.overlap ?? Math.floor(Math.min(size.rows, size.columns) / 2);
      if (canvas.rows < size.rows || canvas.columns < size.columns || !Number.isInteger(canvas.rows) || !Number.isInteger(canvas.columns)) {
        throw new TesseraeError('invalid-argument', `tiling: a canvas of ${canvas.rows}×${canvas.columns} tokens is smaller than the model's ${size.rows}×${size.columns}.`, {
          remedy: 'Use a larger canvas, or leave tiling out.',
        });
      }
      if (!Number.isInteger(overlap) || overlap < 0 || overlap >= Math.min(size.rows, size.columns)) {
        throw new TesseraeError('invalid-argument', `tiling: an overlap of ${overlap} tokens is not possible with windows of ${size.rows}×${size.columns}.`, {
          remedy: `Use 0 to ${Math.min(size.rows, size.columns) - 1}.`,
        });
      }
      const canvases = Array.from({ length: request.candidates }, () => new Int32Array(canvas.rows * canvas.columns).fill(-1));
      const timings = { decode: 0, pixels: 0, total: 0 };
      for (const [index, place] of windowPlaces(canvas, size, overlap).entries()) {
        signal?.throwIfAborted();
        const prompt = options.caption?.(place) ?? request.prompt;
        const result = await next({ ...request, prompt, seed: windowSeed(request.seed, index) }, (plan) => ({
          ...plan,
          // What other plugins know (a prefix) belongs to the canvas's first window only.
          known: canvases.map((codes, candidate) => {
            const window = cutWindow(codes, canvas, place, size);
            const own = index === 0 ? plan.known[plan.known.length === 1 ? 0 : candidate] : undefined;
            return own === undefined ? window : window.map((token, at) => (token >= 0 ? token : (own[at] ?? -1)));
          }),
        }));
        result.images.forEach((image, candidate) => {
          const codes = canvases[candidate];
          if (codes !== undefined) pasteWindow(codes, canvas, place, size, image.codes);
        });
        timings.decode += result.timings.decode;
        timings.pixels += result.timings.pixels;
        timings.total += result.timings.total;
      }
      const pictures = await host.imageTokenizer.decode(canvases, canvas, signal === undefined ? {} : { signal });
      const images = pictures.map(
        (picture, index): GeneratedImage => ({ picture, codes: canvases[index] ?? new Int32Array(0), grid: canvas, candidate: request.firstCandidate + index, seed: request.seed }),
      );
      return { images, seed: request.seed, warnings: [], timings };
    },
  };
}
