export { apply, createGraphBuilder, type GraphBuilder, literal, loop, type LoopResults, type Tensor } from './builder.js';
export { type Graph, type GraphOutput, leavesOf, type LeafKind, loopResultTypes, type NamedType, type Node, nodeAt, type NodeOf } from './graph.js';
export { conv2dOutputSize, inferType } from './infer-type.js';
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
export { inlineGraph } from './inline.js';
export { hashGraph, printGraph } from './print.js';
export { trace, type TraceScope } from './trace.js';
export { verifyGraph } from './verify.js';
