export {
  boolArray,
  bytesPerElement,
  type DType,
  expectDType,
  float32Array,
  type HostArray,
  type HostArrayOf,
  int32Array,
  type TensorType,
  type TypedArrayOf,
  zerosArray,
} from './host-array.js';
export { broadcastShapes, formatShape, normaliseAxis, type Shape, sameShape, sizeOf, stridesOf } from './shape.js';
