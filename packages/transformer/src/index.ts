export * from './tokenizer/index.js';
export { allowedDistances, convolutionKernelOf, jointMask } from './attention-patterns.js';
export { type AttentionPattern, imageLengthOf, layerPatterns, padText, parsePriorConfiguration, type PriorConfiguration } from './configuration.js';
export { makePriorBatch, type PriorBatchOptions, type PriorExample } from './training-batch.js';
export { imageLossWeight, priorTrainingLoss, textLossWeight } from './training-loss.js';
export { priorLogits, type PriorLogits, priorParameters } from './transformer.js';
