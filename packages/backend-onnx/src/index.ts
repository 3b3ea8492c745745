export { createOnnxBackend, type MappedSessions, type OnnxBackendOptions, toOnnxModel } from './backend.js';
export { claimedComposites } from './lowering/operations.js';
export type { OnnxRuntime } from './runtime.js';
