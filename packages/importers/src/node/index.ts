export { type ConversionReport, type ConvertedPart, type ConvertOptions, convertCheckpoint } from './convert-checkpoint.js';
export { fileSource } from './file-source.js';
export { openCheckpointFile } from './open-checkpoint-file.js';
export { type OpenedPeer, openPeerFiles } from './peer-files.js';
export { type FoundTextTokenizer, textTokenizersAt, textTokenizersBeside } from './text-tokenizer-files.js';
