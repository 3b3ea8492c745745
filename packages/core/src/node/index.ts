export { type OpenFile, writeFileAtomically } from './atomic-file.js';
export { type CopiedModelPart, type ModelPartContent, type OpenedModel, openModelFolder, readJsonFile, sha256OfFile, writeModelParts } from './model-folder.js';
export {
  fileExists,
  missingFile,
  openSafetensorsFile,
  readSafetensorsFile,
  readSafetensorsHeader,
  type StreamedTensor,
  writeSafetensorsFile,
  writeSafetensorsStream,
} from './safetensors-file.js';
