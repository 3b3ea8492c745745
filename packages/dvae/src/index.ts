export {
  architectureOf,
  canEncode,
  decodingGraph,
  encodingGraph,
  encodingParameters,
  gridOf,
  type ImageTokenizerArchitecture,
  type ImageTokenizerConfiguration,
  imageTokenizerParameters,
  parseImageTokenizerConfiguration,
} from './architectures.js';
export { clusterRows, spreadRows } from './cluster-rows.js';
export { initialiseDvae } from './codebook-initialisation.js';
export { type CodebookUsage, codebookUsage } from './codebook-usage.js';
export { type DvaeConfiguration, downsamplingOf, paperDvae, parseDvaeConfiguration } from './configuration.js';
export { decodeCodes, decodeEmbedded, decodeRelaxed } from './decoder.js';
export { decoderRefinementLoss } from './decoder-refinement.js';
export { encode, encodeFeatures, encodeToCodes } from './encoder.js';
export { mapPixels, negativeLogLikelihood, pixelMargin, pixelsFromMaps } from './likelihood.js';
export { type DvaeObjective, type DvaeSchedules, dvaeTrainingLoss, dvaeValidationLoss, klScale, klToUniform, usageDivergence } from './loss.js';
export { reconstructionLoss } from './reconstruction-loss.js';
export { gumbelNoise, type Relaxation, relax, relaxWith } from './relaxation.js';
export { type RelaxedReconstruction, relaxedReconstruction } from './relaxed-reconstruction.js';
export { decodeStrided, embedCodes, embedRelaxed, encodeStrided, stridedCodebook } from './strided/autoencoder.js';
export { parseStridedDvaeConfiguration, type StridedDvaeConfiguration, stridedDownsampling } from './strided/configuration.js';
export { normalisePixels, pixelsFromNormalised, type StridedDvaeObjective, stridedLoss, stridedTrainingLoss } from './strided/loss.js';
export { cropPicture } from './tiles.js';
export { createImageTokenizer, type ImageTokenizerOptions, pictureFromPlanes, planarPixels } from './tokenizer.js';
export { initialiseCodebook } from './vqgan/codebook-initialisation.js';
export { parseVqganConfiguration, type VqganConfiguration, type VqganPixelRange, type VqganQuantizer, vqganDownsampling } from './vqgan/configuration.js';
export { decodeLatents } from './vqgan/decoder.js';
export { encodeLatents, vqganPixels } from './vqgan/encoder.js';
export { type VqganObjective, vqganTrainingLoss } from './vqgan/loss.js';
export { codebookVectors, codeScores, latentsOf, latentVectors, nearestCodes, type QuantizerLossOptions, quantizeStraightThrough, vectorsOf } from './vqgan/quantizer.js';
export { dvaeWarmUpLoss, embedContinuously } from './warm-up.js';
