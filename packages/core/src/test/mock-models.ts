import type { GenerateEvent, GenerateStream } from '../generation/index.js';
import type { DecodeRequest, Grid, ImagePrior, ImageTextScorer, ImageTokenizer, TextTokenizer } from '../models/index.js';

/** An image tokenizer whose codes are grey levels: every code paints its cell in one grey, exactly invertible. */
export function mockImageTokenizer(options: { readonly grid: Grid; readonly codebookSize: number; readonly downsampling?: number }): ImageTokenizer {
  const { grid, codebookSize, downsampling = 2 } = options;
  const grey = (code: number): number => Math.round((code * 255) / Math.max(1, codebookSize - 1));
  return {
    specificationVersion: 'v1',
    codebookSize,
    downsampling,
    grid,
    async encode(pictures) {
      return pictures.map(({ width, height, data }) => {
        const columns = width / downsampling;
        return Int32Array.from({ length: columns * (height / downsampling) }, (_, index) => {
          const offset = (Math.floor(index / columns) * downsampling * width + (index % columns) * downsampling) * 3;
          return Math.round(((data[offset] ?? 0) * Math.max(1, codebookSize - 1)) / 255);
        });
      });
    },
    async decode(codes, canvas) {
      return codes.map((list) => {
        const [width, height] = [canvas.columns * downsampling, canvas.rows * downsampling];
        const data = new Uint8Array(width * height * 3);
        for (let y = 0; y < height; y += 1) {
          for (let x = 0; x < width; x += 1) {
            data.fill(grey(list[Math.floor(y / downsampling) * canvas.columns + Math.floor(x / downsampling)] ?? 0), (y * width + x) * 3, (y * width + x) * 3 + 3);
          }
        }
        return { width, height, data };
      });
    },
    dispose: () => undefined,
  };
}

/** A text tokenizer of one id a character. */
export function mockTextTokenizer(vocabularySize = 128): TextTokenizer {
  return {
    specificationVersion: 'v1',
    vocabularySize,
    encode: (text) => Int32Array.from(text, (character) => (character.codePointAt(0) ?? 0) % vocabularySize),
    decode: (ids) => Array.from(ids, (id) => String.fromCodePoint(id)).join(''),
  };
}

/** A prior that draws codes uniformly, reading known tokens, seeds and aborts as a real one does. Calls are recorded. */
export function mockPrior(options: {
  readonly grid: Grid;
  readonly codebookSize: number;
  readonly textLength?: number;
  readonly maximumBatch?: number;
}): ImagePrior & { readonly requests: readonly DecodeRequest[] } {
  const { grid, codebookSize, textLength = 64, maximumBatch = 4 } = options;
  const requests: DecodeRequest[] = [];
  return {
    specificationVersion: 'v1',
    grid,
    codebookSize,
    textLength,
    maximumBatch,
    requests,
    async *decode(request, { signal } = {}) {
      requests.push(request);
      for (let row = 0; row < grid.rows; row += 1) {
        signal?.throwIfAborted();
        await Promise.resolve();
        yield {
          row,
          tokens: request.candidates.map((candidate, index) =>
            Int32Array.from({ length: grid.columns }, (_, column) => {
              const position = row * grid.columns + column;
              const known = request.known[index]?.[position] ?? -1;
              return known >= 0 ? known : Math.floor(request.uniform(candidate, position) * codebookSize);
            }),
          ),
        };
      }
    },
    // Likes large codes, the more the longer the text: enough for a scorer to have an opinion.
    logProbability: async (questions, codes) =>
      Float64Array.from(codes, (list, index) => {
        const question = questions[index] ?? new Int32Array();
        return list.reduce((sum, code) => sum + code, 0) * (question instanceof Int32Array ? question : question.text).length;
      }),
    dispose: () => undefined,
  };
}

/** A scorer from a function of the codes. */
export function mockScorer(score: (codes: Int32Array) => number): ImageTextScorer {
  return { specificationVersion: 'v1', name: 'mock', score: async (_, images) => Float64Array.from(images, ({ codes }) => score(codes)) };
}

/** All events of a call, when it is over. */
export async function collectEvents(stream: GenerateStream): Promise<GenerateEvent[]> {
  const events: GenerateEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}
