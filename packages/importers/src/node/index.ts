export { fileSource } from './file-source.js';
export { openCheckpointFile } from './open-checkpoint-file.js';
