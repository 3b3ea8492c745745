export { lastUses } from './liveness.js';
export { valueOverNothing } from './over-nothing.js';
export { decomposeComposites, prepareGraph } from './prepare.js';
export { type NodeRewrite, neededNodes, rewriteGraph } from './rewrite.js';
