export { apply, createGraphBuilder, type GraphBuilder, type LoopResults, literal, loop, type Tensor } from './builder.js';
export { type Graph, type GraphOutput, type LeafKind, leavesOf, loopResultTypes, type NamedType, type Node, type NodeOf, nodeAt } from './graph.js';
export { conv2dOutputSize, inferType } from './infer-type.js';
export { inlineGraph } from './inline.js';
export {
  type CompositeAttributes,
  type CompositeName,
  type Conv2dAttributes,
  isComposite,
  type NoAttributes,
  type OperationAttributes,
  type OperationName,
  type Padding2d,
  type PrimitiveAttributes,
  type PrimitiveName,
} from './operations.js';
export { hashGraph, printGraph } from './print.js';
export { type TraceScope, trace } from './trace.js';
export { verifyGraph } from './verify.js';
