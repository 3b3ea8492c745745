/**
 * What every Tesserae error has in common: a stable `code` to branch on, and a `remedy` a person can act on.
 * The marker is a registered symbol, so `isTesseraeError` also recognises errors thrown by a second installed copy.
 */
const marker = Symbol.for('tesserae.error');

/** Stable, documented reasons. Adding one is a minor change, renaming one a major change. */
export type ErrorCode =
  | 'invalid-argument'
  | 'shape-mismatch'
  | 'dtype-mismatch'
  | 'graph-invalid'
  | 'not-differentiable'
  | 'backend-unknown'
  | 'backend-unavailable'
  | 'backend-failure'
  | 'unsupported-operation'
  | 'file-missing'
  | 'file-corrupt'
  | 'file-unsafe'
  | 'file-write-failed'
  | 'model-incompatible'
  | 'prompt-invalid'
  | 'image-invalid'
  | 'dataset-empty'
  | 'plugin-failure'
  | 'plugin-unknown'
  | 'numerical-failure'
  | 'missing-dependency'
  | 'resource-disposed';

export interface TesseraeErrorOptions {
  /** What the user can do about it, as one imperative sentence. */
  readonly remedy: string;
  /** Offending values by name, for programs and for `--verbose`. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** The one error class of the SDK: `message` says what went wrong, `remedy` what to do, `code` is for programs. */
export class TesseraeError extends Error {
  override readonly name = 'TesseraeError';
  readonly code: ErrorCode;
  readonly remedy: string;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: TesseraeErrorOptions) {
    super(`${message} ${options.remedy}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.remedy = options.remedy;
    this.details = options.details ?? {};
    Object.defineProperty(this, marker, { value: true });
  }
}

/** True for errors of this SDK, also those of another installed copy of it. */
export function isTesseraeError(value: unknown): value is TesseraeError {
  return typeof value === 'object' && value !== null && marker in value;
}
