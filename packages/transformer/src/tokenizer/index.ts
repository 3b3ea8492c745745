export { type BytePairModel, createBytePairTokenizer } from './byte-pair-model.js';
export { tokenizerFromJson, tokenizerToJson } from './tokenizer-file.js';
export { type BytePairTrainingOptions, trainBytePairModel } from './train.js';
