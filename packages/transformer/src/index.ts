export { allowedDistances, convolutionKernelOf, jointMask } from './attention-patterns.js';
export { type AttentionPattern, imageLengthOf, layerPatterns, type PriorConfiguration, padText, parsePriorConfiguration } from './configuration.js';
export { type DecodeBatch, decodeSpanGraph, decodeStateNames, prefillGraph } from './decode-graph.js';
export { createTransformerPrior, type TransformerPriorOptions } from './prior.js';
export { type SamplingPlan, sampleGraph, samplingPlan } from './sampling.js';
export * from './tokenizer/index.js';
export { makePriorBatch, type PriorBatchOptions, type PriorExample } from './training-batch.js';
export { imageLossWeight, priorTrainingLoss, textLossWeight } from './training-loss.js';
export { type PriorLogits, priorLogits, priorParameters } from './transformer.js';
