export type { GenerateEvent, GenerateWarning } from './events.js';
export { createGenerator, type GenerateStream, type Generator, type GeneratorOptions, samplingUniform } from './generator.js';
export { emptyKnown, type SequencePlan } from './plan.js';
export type { GenerateNext, PluginCall, PluginHost, SamplingPlugin } from './plugin.js';
export type { GenerateRequest, ResolvedRequest } from './request.js';
export type { GeneratedImage, GenerateResult } from './result.js';
