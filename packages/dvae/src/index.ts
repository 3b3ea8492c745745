export { initialiseDvae, spreadRows } from './codebook-initialisation.js';
export { type CodebookUsage, codebookUsage } from './codebook-usage.js';
export { type DvaeConfiguration, downsamplingOf, paperDvae, parseDvaeConfiguration } from './configuration.js';
export { decodeCodes, decodeRelaxed } from './decoder.js';
export { encode, encodeFeatures } from './encoder.js';
export { mapPixels, negativeLogLikelihood, pixelMargin, pixelsFromMaps } from './likelihood.js';
export { type DvaeObjective, type DvaeSchedules, dvaeTrainingLoss, dvaeValidationLoss, klScale, klToUniform, usageDivergence } from './loss.js';
export { relax } from './relaxation.js';
export { createDvaeTokenizer, type DvaeTokenizerOptions, pictureFromPlanes, planarPixels } from './tokenizer.js';
