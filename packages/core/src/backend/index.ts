export type { Backend, CompileOptions, Program, QuantisedMatrix, StateStore, WeightSource } from './backend.js';
export { type Bindings, checkBindings, checkInputs, checkWeights, ownStore } from './check-inputs.js';
export { type HeldState, holdState, type StateValues } from './held-state.js';
export { type BackendChoice, type BackendOptions, type BackendRegistry, type ResolveBackendOptions, resolveBackend } from './resolve-backend.js';
