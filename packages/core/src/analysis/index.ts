export { countFlops, type FlopCount } from './flops.js';
export { bytesOf, type LiveValue, type MemoryOptions, type MemoryUse, memoryUse } from './memory.js';
export { type LeafReads, leafReads } from './reads.js';
