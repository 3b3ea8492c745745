import { TesseraeError } from '../errors/index.js';
import type { TextFeatures } from '../models/index.js';

/** What to make. */
export interface GenerateRequest {
  /**
   * Any text but an empty one: any script, length (see `truncate`) and control characters; half a surrogate pair reads as U+FFFD. Beside
   * a class or features it may be left out: the prior does not read it then, scorers of candidates do.
   */
  readonly prompt?: string;
  /** For priors of classes: the number of one, from 0. */
  readonly classLabel?: number;
  /** For priors of features: a sentence as another encoder has read it. */
  readonly features?: TextFeatures;
  /** Pictures wanted. Default 1. */
  readonly candidates?: number;
  /** Any safe integer ≥ 0. The same seed gives the same pictures on every engine. Default: drawn, and told in the result. */
  readonly seed?: number;
  /** Guidance scale (Ho and Salimans 2022): logits = empty + scale·(text − empty). Default 1, off. */
  readonly guidance?: number;
  /** Default 1; 0 is greedy: the most likely token, whatever `topK` and `topP` say. Negative is refused. */
  readonly temperature?: number;
  /** Keep the k most likely tokens, from 1; more than there are keeps all. Default: all. */
  readonly topK?: number;
  /** Keep the most likely tokens that together reach this probability, in (0, 1]. Default 1: all. */
  readonly topP?: number;
  /** A prompt longer than the prior reads loses its end, with a warning, instead of being refused. Default false. */
  readonly truncate?: boolean;
  readonly signal?: AbortSignal;
  /** For plugins: what the caller tells them, by plugin name. */
  readonly pluginOptions?: Readonly<Record<string, unknown>>;
  /** Number of the first candidate: 4 pictures from 8 on are numbers 8 to 11 of the same seed. Default 0. */
  readonly firstCandidate?: number;
}

/** A request with every default filled in. */
export interface ResolvedRequest extends GenerateRequest {
  /** Empty where a class or features ask instead. */
  readonly prompt: string;
  readonly candidates: number;
  readonly seed: number;
  readonly guidance: number;
  readonly temperature: number;
  readonly truncate: boolean;
  readonly firstCandidate: number;
}

function refuse(field: string, value: unknown, remedy: string): never {
  throw new TesseraeError('invalid-argument', `${field}: ${String(value)} is not possible.`, { remedy, details: { field, value } });
}

/** Fills defaults and checks every value. @throws TesseraeError `invalid-argument` or `prompt-invalid` naming the field. */
export function resolveRequest(request: GenerateRequest, drawSeed: () => number): ResolvedRequest {
  const { prompt = '', classLabel, features, candidates = 1, guidance = 1, temperature = 1, topK, topP, truncate = false, firstCandidate = 0 } = request;
  const seed = request.seed ?? drawSeed();
  if (classLabel !== undefined && (!Number.isInteger(classLabel) || classLabel < 0)) refuse('classLabel', classLabel, 'Use the number of a class, from 0.');
  if (classLabel !== undefined && features !== undefined) refuse('classLabel', classLabel, 'Ask by a class or by features, not by both.');
  const isAsked = classLabel !== undefined || features !== undefined;
  if (typeof prompt !== 'string' || (prompt.trim() === '' && !isAsked)) {
    throw new TesseraeError('prompt-invalid', 'The prompt is empty.', { remedy: 'Say in a few words what the picture should show.' });
  }
  if (!Number.isInteger(candidates) || candidates < 1) refuse('candidates', candidates, 'Ask for a whole number of at least 1.');
  if (!Number.isSafeInteger(seed) || seed < 0) refuse('seed', seed, 'Use a whole number from 0.');
  if (!Number.isFinite(guidance)) refuse('guidance', guidance, 'Use a finite number; 1 is no guidance.');
  if (!Number.isFinite(temperature) || temperature < 0) refuse('temperature', temperature, 'Use a number from 0 (greedy).');
  if (topK !== undefined && (!Number.isInteger(topK) || topK < 1)) refuse('topK', topK, 'Use a whole number of at least 1, or leave it out.');
  if (topP !== undefined && !(topP > 0 && topP <= 1)) refuse('topP', topP, 'Use a number above 0 and up to 1, or leave it out.');
  if (!Number.isInteger(firstCandidate) || firstCandidate < 0) refuse('firstCandidate', firstCandidate, 'Use a whole number from 0.');
  return { ...request, prompt, candidates, seed, guidance, temperature, truncate, firstCandidate };
}
