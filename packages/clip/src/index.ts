export { captionerParameters, captionLogits, patchesOf, sentenceEnd } from './captioner/captioner.js';
export { type CaptionerConfiguration, parseCaptionerConfiguration } from './captioner/configuration.js';
export { captionerTrainingLoss, captionLogProbabilities } from './captioner/likelihood.js';
export { type CaptionScorerOptions, captionIds, createCaptionScorer, type DisposableScorer } from './captioner/scorer.js';
