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
export { exportNames } from './families/export-names.js';
export { type ExportedTensor, exportPrior, type PriorExport } from './families/export-priors.js';
export { families, familyNamed, recogniseFamily } from './families/families.js';
export type { Family, Ignorable, PartName, PartReading, PeerFile, ReadingContext, Transform, WeightName } from './families/family.js';
export { type OpenCheckpointOptions, openCheckpoint } from './open-checkpoint.js';
export { peerFile } from './peer-file.js';
export { type PlannedPart, type PlannedTensor, type PlanOptions, planConversion } from './plan-conversion.js';
export type { SiblingOpener } from './sharded.js';
export { type FloatType, plannedBytes, writtenType } from './tensor-bytes.js';
export { planTextTokenizers, type ReadTextTokenizer, readTextTokenizer, type TextTokenizerPlan, type TextTokenizerSource } from './text-tokenizers.js';
