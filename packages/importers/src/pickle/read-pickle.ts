import type { ByteSource, ReadOptions } from '../byte-source.js';
import { refuseUnsafe } from '../refusal.js';
import { type PickleInput, runPickle, windowEnded } from './machine.js';
import type { PickleValue } from './values.js';

/** Names, shapes and hyperparameters take kilobytes; tensors do not lie in the pickle. */
export const largestPickle = 64 << 20;
const firstWindow = 256 << 10;

/**
 * Interprets the pickle that starts at `start`, whose end is not known before: the window over the file grows until the
 * pickle stops in it.
 * @returns its value and the byte after it.
 * @throws TesseraeError `file-corrupt` or `file-unsafe`.
 */
export async function readPickle(
  source: ByteSource,
  start: number,
  persistent?: PickleInput['persistent'],
  options: ReadOptions = {},
): Promise<{ readonly value: PickleValue; readonly end: number }> {
  const available = source.size - start;
  for (let window = firstWindow; ; window *= 4) {
    const bytes = await source.read(start, Math.min(window, available), options);
    try {
      const { value, length } = runPickle({ bytes, file: source.name, start, available, ...(persistent === undefined ? {} : { persistent }) });
      return { value, end: start + length };
    } catch (cause) {
      if (cause !== windowEnded) throw cause;
      if (window >= largestPickle) return refuseUnsafe(source.name, `its pickle at byte ${start} is longer than ${largestPickle} bytes`);
    }
  }
}
