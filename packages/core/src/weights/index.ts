export { type ModelIndex, type ModelPart, parseModelIndex } from './model-folder.js';
export {
  decodeSafetensor,
  type EncodeSafetensorsOptions,
  encodeSafetensors,
  parseSafetensorsHeader,
  type SafetensorsDType,
  type SafetensorsEntry,
  type SafetensorsHeader,
  safetensorsHeaderLength,
} from './safetensors.js';
export { safetensorsTypes, weightsFromArrays, weightsFromSafetensors } from './sources.js';
