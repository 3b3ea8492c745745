export { conformanceCases, coveredOperations } from './cases.js';
export type { ConformanceCase } from './conformance-case.js';
export { arrayError, type ConformanceExclusion, type ConformanceResult, runConformance } from './run.js';
