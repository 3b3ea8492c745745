export type { Backend, CompileOptions, Program, StateStore, WeightSource } from './backend.js';
