export { priorEvidence } from './prior-evidence.js';
export { rerank, type RerankOptions } from './rerank.js';
