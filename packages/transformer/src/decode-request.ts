import { type DecodeRequest, TesseraeError } from '@tesserae/core';
import { imageLengthOf, type PriorConfiguration } from './configuration.js';

function invalid(message: string, remedy: string, details: Readonly<Record<string, unknown>>): never {
  throw new TesseraeError('invalid-argument', message, { remedy, details });
}

/** @throws TesseraeError `invalid-argument` for a request that does not fit the prior. */
export function checkRequest(request: DecodeRequest, configuration: PriorConfiguration, maximumBatch: number): void {
  const { branches, known, candidates } = request;
  const positions = imageLengthOf(configuration);
  if (branches.length === 0) invalid('The request has no text to decode by.', 'Give at least one branch; an empty text is one.', {});
  if (candidates.length === 0 || candidates.length > maximumBatch) {
    invalid(`The request has ${candidates.length} candidates.`, `Decode 1 to ${maximumBatch} together.`, { candidates: candidates.length, maximumBatch });
  }
  if (known.length !== candidates.length)
    invalid(`The request has known tokens for ${known.length} of ${candidates.length} candidates.`, 'Give one list a candidate, of −1 where nothing is known.', {
      known: known.length,
    });
  known.forEach((tokens, candidate) => {
    if (tokens.length !== positions)
      invalid(`The known tokens of candidate ${candidate} are ${tokens.length}, not ${positions}.`, 'Give one number a position of the grid, −1 where nothing is known.', {
        candidate,
      });
    const wrong = tokens.find((token) => token < -1 || token >= configuration.codebookSize);
    if (wrong !== undefined)
      invalid(`Candidate ${candidate} knows the token ${wrong}.`, `Use −1 or codes from 0 to ${configuration.codebookSize - 1}.`, { candidate, token: wrong });
  });
  const total = branches.reduce((sum, { weight }) => sum + weight, 0);
  if (!(Math.abs(total - 1) < 1e-4)) invalid(`The guidance weights add up to ${total}.`, 'Make them add up to 1.', { total });
}

/** Rows that are known for every candidate, from the first; and the first row from which on all are. */
export function knownRows({ known }: DecodeRequest, { grid }: PriorConfiguration): { readonly leading: number; readonly trailingFrom: number } {
  const isKnown = Array.from({ length: grid.rows }, (_, row) =>
    known.every((tokens) => tokens.subarray(row * grid.columns, (row + 1) * grid.columns).every((token) => token >= 0)),
  );
  const firstFree = isKnown.indexOf(false);
  return { leading: firstFree < 0 ? grid.rows : firstFree, trailingFrom: isKnown.lastIndexOf(false) + 1 };
}

/** Whether all candidates begin with the same `count` tokens. */
export function beginAlike(known: readonly Int32Array[], count: number): boolean {
  const [first] = known;
  return known.every((tokens) => first === undefined || tokens.subarray(0, count).every((token, position) => token === first[position]));
}
