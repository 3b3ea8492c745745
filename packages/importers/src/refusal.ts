import { TesseraeError } from '@tesserae/core';

/** A file that is not what it says it is. @throws TesseraeError `file-corrupt`, always. */
export function refuseDamaged(file: string, problem: string, details?: Readonly<Record<string, unknown>>): never {
  throw new TesseraeError('file-corrupt', `${file}: ${problem}.`, {
    remedy: 'Get the file again; it is truncated, damaged or not a checkpoint.',
    ...(details === undefined ? {} : { details }),
  });
}

/** A file that wants something no weights need: to run code, or far more memory than it has bytes. @throws TesseraeError `file-unsafe`, always. */
export function refuseUnsafe(file: string, problem: string, details?: Readonly<Record<string, unknown>>): never {
  throw new TesseraeError('file-unsafe', `${file}: ${problem}.`, {
    remedy: 'Nothing of it was run. Do not open it with other tools either, unless you trust its author; ask for the weights as safetensors.',
    ...(details === undefined ? {} : { details }),
  });
}

/** A sound file of a kind that is not read here. @throws TesseraeError `model-incompatible`, always. */
export function refuseUnsupported(file: string, problem: string, details?: Readonly<Record<string, unknown>>): never {
  throw new TesseraeError('model-incompatible', `${file}: ${problem}.`, {
    remedy: 'Save the weights as safetensors with the program that made the file.',
    ...(details === undefined ? {} : { details }),
  });
}
