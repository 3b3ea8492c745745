export { type ConformanceCase, conformanceCases, coveredOperations } from './cases.js';
export { arrayError, type ConformanceExclusion, type ConformanceResult, runConformance } from './run.js';
