export { createOnnxBackend, type MappedSessions, type OnnxBackendOptions, toOnnxModel } from './backend.js';
export type { OnnxRuntime } from './runtime.js';
