export { decomposeComposites, prepareGraph } from './prepare.js';
export { type NodeRewrite, neededNodes, rewriteGraph } from './rewrite.js';
