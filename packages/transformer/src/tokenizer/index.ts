export { type BytePairModel, createBytePairTokenizer } from './byte-pair-model.js';
export { cleanCaption } from './clean-caption.js';
export { clipTokenizerFile } from './clip-vocabulary.js';
export type { BytePairTokenizer, MergeDropout } from './text-pipeline.js';
export {
  parseTextTokenizerConfiguration,
  parseTokenizerFile,
  type TextTokenizerConfiguration,
  type TextTokenizerOptions,
  type TokenizerFile,
  textTokenizerFromFile,
  tokenizerFileOf,
} from './tokenizer-file.js';
export { type BytePairTrainingOptions, trainBytePairModel } from './train.js';
export { byteLevelTokenizerFile, charBpeTokenizerFile, minDalleTokenizerFile, type VocabularyFiles } from './vocabulary-files.js';
