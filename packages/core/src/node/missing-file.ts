import { TesseraeError } from '../errors/index.js';

/** Tells a missing file from other trouble. */
export function missingFile(path: string, cause: unknown): never {
  const absent = typeof cause === 'object' && cause !== null && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR');
  throw new TesseraeError('file-missing', absent ? `${path} does not exist.` : `${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}.`, {
    remedy: 'Check the path.',
    cause,
  });
}
