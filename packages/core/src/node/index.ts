export { type OpenFile, writeFileAtomically } from './atomic-file.js';
export { sha256OfFile } from './file-hash.js';
export { missingFile } from './missing-file.js';
export { type CopiedModelPart, type ModelPartContent, type OpenedModel, openModelFolder, readJsonFile, writeModelParts } from './model-folder.js';
export {
  fileExists,
  openSafetensorsFile,
  readSafetensorsFile,
  readSafetensorsHeader,
  type StreamedTensor,
  writeSafetensorsFile,
  writeSafetensorsStream,
} from './safetensors-file.js';
