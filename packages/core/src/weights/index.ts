export { checkModelWeights } from './check-model-weights.js';
export { type ModelIndex, type ModelPart, parseModelIndex } from './model-folder.js';
export { dequantiseMatrix, quantisedBlock, quantisedReach, quantiseMatrix, quantiseWeights } from './quantised.js';
export {
  decodeSafetensor,
  type EncodeSafetensorsOptions,
  encodeSafetensors,
  halfPrecisionBytes,
  layOutSafetensors,
  parseSafetensorsHeader,
  type SafetensorsDType,
  type SafetensorsEntry,
  type SafetensorsHeader,
  type SafetensorsTensor,
  safetensorLength,
  safetensorsHeaderLength,
} from './safetensors.js';
export { safetensorsTypes, weightsFromArrays, weightsFromSafetensors } from './sources.js';
