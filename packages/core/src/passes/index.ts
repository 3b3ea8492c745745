export { decomposeComposites, prepareGraph } from './prepare.js';
export { neededNodes, type NodeRewrite, rewriteGraph } from './rewrite.js';
