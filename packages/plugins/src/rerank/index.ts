export { type PriorEvidenceOptions, priorEvidence } from './prior-evidence.js';
export { type RerankOptions, rerank } from './rerank.js';
