import type { CallOptions, ImagePrior, ImageTokenizer, LogitsChange, TextTokenizer } from '../models/index.js';
import type { GenerateEvent } from './events.js';
import type { SequencePlan } from './plan.js';
import type { ResolvedRequest } from './request.js';
import type { GenerateResult } from './result.js';

type MaybePromise<T> = T | Promise<T>;

/** What a plugin finds around it. */
export interface PluginHost {
  readonly imageTokenizer: ImageTokenizer;
  /** None where the model's prior reads no text. */
  readonly textTokenizer?: TextTokenizer;
  readonly prior: ImagePrior;
}

/** What belongs to one call. */
export interface PluginCall extends CallOptions {
  readonly host: PluginHost;
  /** A remark for the result's `warnings`. */
  warn(message: string): void;
  /** What `request.pluginOptions` says for this plugin. */
  readonly options: unknown;
}

/** Goes on with the rest of the chain. May be called any number of times; `plan` changes this call's plan last of all. */
export type GenerateNext = (request: ResolvedRequest, plan?: (plan: SequencePlan) => SequencePlan) => Promise<GenerateResult>;

/**
 * A plugin: a plain object from a factory. Each hook has one kind, fixed by its type; plugins run in the order given, and
 * `wrapGenerate` nests with the first plugin outermost. What a hook throws ends the call, except in `on`.
 */
export interface SamplingPlugin {
  /** Unique in a generator; shown in errors, and the key of `pluginOptions`. */
  readonly name: string;
  readonly specificationVersion: 'v1';
  /** Once, before the first call. What it gives is disposed with the generator. */
  setup?(host: PluginHost): MaybePromise<{ dispose(): void } | void>;
  /** Waterfall, once a call: defaults and validation. */
  request?(request: ResolvedRequest, call: PluginCall): MaybePromise<ResolvedRequest>;
  /** Waterfall, once a decode: known tokens, guidance branches, sampling. */
  plan?(plan: SequencePlan, request: ResolvedRequest, call: PluginCall): MaybePromise<SequencePlan>;
  /** Onion: oversample and choose, tile, retry. */
  wrapGenerate?(next: GenerateNext, request: ResolvedRequest, call: PluginCall): Promise<GenerateResult>;
  /** Ordered changes of the scores, after guidance and before temperature. */
  readonly logits?: Omit<LogitsChange, 'name'>;
  /** Observer: sees every event, alters and delays nothing; a throw becomes a warning. */
  on?(event: GenerateEvent): void;
}
