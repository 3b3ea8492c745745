export { type OpenFile, writeFileAtomically } from './atomic-file.js';
export { type ModelPartContent, type OpenedModel, openModelFolder, readJsonFile, type StreamedTensor, sha256OfFile, writeModelParts } from './model-folder.js';
export { fileExists, missingFile, openSafetensorsFile, readSafetensorsFile, readSafetensorsHeader, writeSafetensorsFile } from './safetensors-file.js';
