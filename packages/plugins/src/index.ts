export * from './image-prefix/index.js';
export * from './rerank/index.js';
export * from './tiling/index.js';
