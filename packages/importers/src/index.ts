export { type ByteSource, blobSource, bytesSource, type ReadOptions } from './byte-source.js';
export {
  type Checkpoint,
  type CheckpointFormat,
  type CheckpointTensor,
  type MetadataValue,
  type OpaqueValue,
  readArray,
  readWeights,
  stateDictionary,
} from './checkpoint.js';
export type { Crc32 } from './crc32.js';
export { type ElementType, elementBytes } from './element-type.js';
export { type OpenCheckpointOptions, openCheckpoint } from './open-checkpoint.js';
export type { SiblingOpener } from './sharded.js';
