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
export { batchUsage, countCodes } from './batch-usage.js';
export { clusterRows, spreadRows } from './cluster-rows.js';
export { initialiseDvae } from './codebook-initialisation.js';
export { type CodebookUsage, codebookUsage } from './codebook-usage.js';
export { type DvaeConfiguration, type DvaeShape, downsamplingOf, paperDvae, parseDvaeConfiguration } from './configuration.js';
export { decodeCodes, decodeEmbedded, decodeRelaxed } from './decoder.js';
export { decoderRefinementLoss } from './decoder-refinement.js';
export { encode, encodeFeatures, encodeToCodes } from './encoder.js';
export { mapPixels, negativeLogLikelihood, pixelMargin, pixelsFromMaps } from './likelihood.js';
export { type DvaeObjective, type DvaeSchedules, dvaeTrainingLoss, dvaeValidationLoss, klScale, klToUniform, usageDivergence } from './loss.js';
export { type MapReconstruction, reconstructionOfMaps } from './map-reconstruction.js';
export { initialiseCodebook } from './nearest-codebook.js';
export { codebookVectors, codeScores, latentsOf, latentVectors, nearestCodes, type Quantizer, type QuantizerConfiguration, vectorsOf } from './quantizer.js';
export { reconstructionLoss } from './reconstruction-loss.js';
export { gumbelNoise, type Relaxation, relax, relaxWith } from './relaxation.js';
export { type RelaxedReconstruction, relaxedReconstruction } from './relaxed-reconstruction.js';
export { keepCodebook, type QuantizerLossOptions, quantizeStraightThrough } from './straight-through.js';
export { decodeStrided, embedCodes, embedRelaxed, encodeStrided, stridedCodebook } from './strided/autoencoder.js';
export { parseStridedDvaeConfiguration, type StridedDvaeConfiguration, stridedDownsampling } from './strided/configuration.js';
export { normalisePixels, pixelsFromNormalised, type StridedDvaeObjective, stridedLoss, stridedTrainingLoss } from './strided/loss.js';
export { cropPicture } from './tiles.js';
export { createImageTokenizer, type ImageTokenizerOptions, pictureFromPlanes, planarPixels } from './tokenizer.js';
export { decodeVqVae, encodeVqVae } from './vq-vae/autoencoder.js';
export { parseVqVaeConfiguration, type VqVaeConfiguration, vqVaeQuantizer } from './vq-vae/configuration.js';
export { type VqVaeObjective, vqVaeTrainingLoss } from './vq-vae/loss.js';
export { parseVqganConfiguration, type VqganConfiguration, type VqganPixelRange, vqganDownsampling } from './vqgan/configuration.js';
export { decodeLatents } from './vqgan/decoder.js';
export { encodeLatents, vqganPixels } from './vqgan/encoder.js';
export { type VqganObjective, vqganTrainingLoss } from './vqgan/loss.js';
export { dvaeWarmUpLoss, dvaeWarmUpValidationLoss, embedContinuously } from './warm-up.js';
