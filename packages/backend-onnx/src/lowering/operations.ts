import {
  type CompositeName,
  float32Array,
  int32Array,
  type OperationAttributes,
  type OperationName,
  type PrimitiveName,
  sameShape,
  sizeOf,
  type TensorType,
  valueOverNothing,
} from '@tesserae/core';
import { onnxTypes } from '../protobuf.js';
import { convAttributes, lowerFilterGradient, lowerInputGradient } from './convolution.js';
import { type Emitter, float, integer, integers, onnxTypeOf, text } from './emitter.js';
import { emitColumnSums, emitLongProduct } from './long-sums.js';

/** Composites that reach ONNX whole. */
export const claimedComposites = [
  'softmax',
  'normalisedExp',
  'logSoftmax',
  'crossEntropy',
  'crossEntropyGradient',
  'layerNorm',
  'relu',
  'gelu',
  'maxPool2d',
  'sumPool2d',
  'upsampleNearest2d',
  'replaceSlice',
  'conv2dInputGradient',
  'conv2dFilterGradient',
] as const satisfies readonly CompositeName[];

export type LoweredName = Exclude<PrimitiveName, 'input' | 'state' | 'constant' | 'loop' | 'loopResult'> | (typeof claimedComposites)[number];

export interface LoweringCall<Attributes> {
  readonly emitter: Emitter;
  /** ONNX names of the inputs. */
  readonly inputs: readonly string[];
  readonly inputTypes: readonly TensorType[];
  readonly type: TensorType;
  readonly attributes: Attributes;
}

type Lowering<Attributes> = (call: LoweringCall<Attributes>) => string;

const simple =
  (type: string): Lowering<unknown> =>
  ({ emitter, inputs }) =>
    emitter.emit(type, inputs);

function at(call: { readonly inputs: readonly string[] }, index: number): string {
  const found = call.inputs[index];
  if (found === undefined) throw new RangeError(`operation lacks input ${index}`);
  return found;
}

function shapeAt(call: { readonly inputTypes: readonly TensorType[] }, index: number) {
  return call.inputTypes[index]?.shape ?? [];
}

/**
 * An operator that broadcasts. ONNX Runtime finds its inner loop from the last axes back; where those have length one it goes
 * element by element, sixty times slower (a filter [out, in, 1, 1] times a scalar): such axes are taken off for the operator.
 */
const broadcasting =
  (type: string): Lowering<unknown> =>
  (call) => {
    const { emitter, inputs, inputTypes } = call;
    const { shape } = call.type;
    let ones = 0;
    while (ones < shape.length && shape[shape.length - 1 - ones] === 1) ones += 1;
    const alike = inputTypes.every((input) => sameShape(input.shape, shape));
    if (ones === 0 || ones === shape.length || alike) return emitter.emit(type, inputs);
    const cut = inputs.map((input, index) => {
      const own = shapeAt(call, index);
      return own.length === 0 ? input : emitter.emit('Reshape', [input, emitter.integers(own.slice(0, Math.max(0, own.length - ones)))]);
    });
    return emitter.emit('Reshape', [emitter.emit(type, cut), emitter.integers(shape)]);
  };

/** Some ONNX operators have no bool version: go through int32. */
const throughInt32 =
  (lower: Lowering<unknown>, boolInputs: readonly number[]): Lowering<unknown> =>
  (call) => {
    if (call.type.dtype !== 'bool') return lower(call);
    const inputs = call.inputs.map((input, index) => (boolInputs.includes(index) ? call.emitter.emit('Cast', [input], { to: integer(onnxTypes.int32) }) : input));
    return call.emitter.emit('Cast', [lower({ ...call, inputs })], { to: integer(onnxTypes.bool) });
  };

/** What a node without elements to work on gives: nothing, or the neutral value of its operation. */
function lowerEmpty(operation: LoweredName, call: LoweringCall<unknown>): string | undefined {
  const { emitter, type, inputTypes } = call;
  if (sizeOf(type.shape) === 0) return emitter.fill(type.shape, type.dtype, 0);
  if (!inputTypes.some(({ shape }) => sizeOf(shape) === 0)) return undefined;
  if (operation === 'concat') {
    const kept = call.inputs.filter((_, index) => sizeOf(shapeAt(call, index)) > 0);
    const [only] = kept;
    return kept.length === 1 && only !== undefined
      ? emitter.emit('Identity', [only])
      : lowerings.concat({ ...call, inputs: kept, attributes: call.attributes as OperationAttributes['concat'] });
  }
  return emitter.fill(type.shape, type.dtype, valueOverNothing({ operation, attributes: call.attributes } as Parameters<typeof valueOverNothing>[0], type.dtype));
}

/** Where the labels (input 1) of logits (input 0) stand in their rows, [… , 1] as int64, and 1 or 0 whether they are a class: one that is none counts nothing. */
function emitTargets(call: LoweringCall<unknown>): { readonly places: string; readonly isClass: string } {
  const { emitter } = call;
  const classes = shapeAt(call, 0)[shapeAt(call, 0).length - 1] ?? 0;
  const targets = at(call, 1);
  const within = emitter.emit('Max', [emitter.emit('Min', [targets, emitter.fill([], 'int32', classes - 1)]), emitter.fill([], 'int32', 0)]);
  const isClass = emitter.emit('Cast', [emitter.emit('Equal', [within, targets])], { to: integer(onnxTypes.float32) });
  return { places: emitter.emit('Reshape', [emitter.emit('Cast', [within], { to: integer(onnxTypes.int64) }), emitter.integers([...shapeAt(call, 1), 1])]), isClass };
}

/** Every primitive and claimed composite as ONNX operators. Exhaustive at compile time. */
const lowerings: { readonly [O in LoweredName]: Lowering<OperationAttributes[O]> } = {
  literal: ({ emitter, attributes }) => emitter.array(attributes.array),
  iota: ({ emitter, type, attributes: { axis } }) => {
    const size = type.shape[axis] ?? 0;
    const line = emitter.array(
      int32Array(
        type.shape.map((_, other) => (other === axis ? size : 1)),
        Array.from({ length: size }, (_, index) => index),
      ),
    );
    return type.shape.every((length, other) => other === axis || length === 1) ? line : emitter.emit('Expand', [line, emitter.integers(type.shape)]);
  },
  negate: simple('Neg'),
  absolute: simple('Abs'),
  sign: simple('Sign'),
  exp: simple('Exp'),
  log: simple('Log'),
  sqrt: simple('Sqrt'),
  sin: simple('Sin'),
  cos: simple('Cos'),
  tanh: simple('Tanh'),
  erf: simple('Erf'),
  sigmoid: simple('Sigmoid'),
  floor: simple('Floor'),
  logicalNot: simple('Not'),
  stopGradient: simple('Identity'),
  cast: (call) => call.emitter.emit('Cast', [at(call, 0)], { to: integer(onnxTypes[onnxTypeOf[call.attributes.dtype]]) }),
  add: broadcasting('Add'),
  subtract: broadcasting('Sub'),
  multiply: broadcasting('Mul'),
  divide: broadcasting('Div'),
  maximum: broadcasting('Max'),
  minimum: broadcasting('Min'),
  power: broadcasting('Pow'),
  equal: broadcasting('Equal'),
  less: broadcasting('Less'),
  lessOrEqual: broadcasting('LessOrEqual'),
  logicalAnd: broadcasting('And'),
  logicalOr: broadcasting('Or'),
  where: throughInt32(broadcasting('Where'), [1, 2]),
  reduceSum: (call) => {
    const { emitter, inputs, attributes, type } = call;
    const { axes, keepDimensions } = attributes;
    const asProduct = emitColumnSums(emitter, at(call, 0), { shape: shapeAt(call, 0), dtype: type.dtype }, attributes, type.shape);
    return asProduct ?? emitter.emit('ReduceSum', [...inputs, emitter.integers(axes)], { keepdims: integer(keepDimensions ? 1 : 0) });
  },
  reduceMax: ({ emitter, inputs, attributes: { axes, keepDimensions } }) =>
    emitter.emit('ReduceMax', [...inputs, emitter.integers(axes)], { keepdims: integer(keepDimensions ? 1 : 0) }),
  argMax: ({ emitter, inputs, attributes: { axis } }) =>
    emitter.emit('Cast', [emitter.emit('ArgMax', inputs, { axis: integer(axis), keepdims: integer(0) })], { to: integer(onnxTypes.int32) }),
  cumulativeSum: ({ emitter, inputs, attributes: { axis } }) => emitter.emit('CumSum', [...inputs, emitter.integers([axis], [])]),
  topValues: ({ emitter, inputs, attributes: { count } }) => emitter.emitMany('TopK', [...inputs, emitter.integers([count])], 2, { axis: integer(-1) })[0] ?? '',
  reshape: ({ emitter, inputs, attributes: { shape } }) => emitter.emit('Reshape', [...inputs, emitter.integers(shape)]),
  transpose: ({ emitter, inputs, attributes: { permutation } }) => emitter.emit('Transpose', inputs, { perm: integers(permutation) }),
  broadcastTo: ({ emitter, inputs, attributes: { shape } }) => emitter.emit('Expand', [...inputs, emitter.integers(shape)]),
  slice: ({ emitter, inputs, attributes: { starts, sizes, strides } }) => {
    const ends = starts.map((start, axis) => start + ((sizes[axis] ?? 0) - 1) * (strides[axis] ?? 1) + 1);
    return emitter.emit('Slice', [...inputs, emitter.integers(starts), emitter.integers(ends), emitter.integers(starts.map((_, axis) => axis)), emitter.integers(strides)]);
  },
  pad: (call) => {
    const { emitter, inputs, type, attributes } = call;
    const amounts = emitter.integers([...attributes.low, ...attributes.high]);
    const padded =
      (dtype: 'float32' | 'int32'): Lowering<unknown> =>
      (inner) =>
        emitter.emit('Pad', [at(inner, 0), amounts, emitter.fill([], dtype, attributes.value)]);
    return type.dtype === 'float32' ? padded('float32')(call) : throughInt32(padded('int32'), [0])({ ...call, inputs });
  },
  concat: ({ emitter, inputs, attributes: { axis } }) => emitter.emit('Concat', inputs, { axis: integer(axis) }),
  reverse: ({ emitter, inputs, attributes: { axes } }) => {
    const every = (value: number): string => emitter.integers(axes.map(() => value));
    return emitter.emit('Slice', [...inputs, every(-1), every(-2147483647), emitter.integers(axes), every(-1)]);
  },
  matMul: (call) => {
    const {
      emitter,
      inputs,
      attributes: { transposeA, transposeB },
    } = call;
    if (!transposeA && !transposeB) return emitter.emit('MatMul', inputs);
    const [left, right] = [shapeAt(call, 0), shapeAt(call, 1)];
    const long = transposeA && !transposeB ? emitLongProduct(emitter, [at(call, 0), at(call, 1)], left, right) : undefined;
    if (long !== undefined) return long;
    if (emitter.contrib) return emitter.emit('FusedMatMul', inputs, { transA: integer(transposeA ? 1 : 0), transB: integer(transposeB ? 1 : 0) }, 'com.microsoft');
    const swapped = (index: number): string => {
      const rank = shapeAt(call, index).length;
      return emitter.emit('Transpose', [at(call, index)], { perm: integers([...Array(rank - 2).keys(), rank - 1, rank - 2]) });
    };
    return emitter.emit('MatMul', [transposeA ? swapped(0) : at(call, 0), transposeB ? swapped(1) : at(call, 1)]);
  },
  conv2d: (call) => call.emitter.emit('Conv', call.inputs, convAttributes(call.attributes, shapeAt(call, 1))),
  gather: ({ emitter, inputs, attributes: { axis } }) => emitter.emit('Gather', inputs, { axis: integer(axis) }),
  scatterAdd: (call) => {
    const { emitter, type } = call;
    const [count, width] = [sizeOf(shapeAt(call, 0)), sizeOf(type.shape.slice(1))];
    const rows = emitter.emit('Cast', [emitter.emit('Reshape', [at(call, 0), emitter.integers([count, 1])])], { to: integer(onnxTypes.int64) });
    const indices = emitter.emit('Expand', [rows, emitter.integers([count, width])]);
    const updates = emitter.emit('Reshape', [at(call, 1), emitter.integers([count, width])]);
    // Not ScatterND, which takes a quarter of the time or less: its threads add to the same row at once and lose what another adds (ONNX Runtime 1.30).
    const sums = emitter.emit('ScatterElements', [emitter.fill([type.shape[0] ?? 0, width], 'float32', 0), indices, updates], { axis: integer(0), reduction: text('add') });
    return emitter.emit('Reshape', [sums, emitter.integers(type.shape)]);
  },
  softmax: ({ emitter, inputs }) => emitter.emit('Softmax', inputs, { axis: integer(-1) }),
  normalisedExp: ({ emitter, inputs }) => emitter.emit('Softmax', inputs, { axis: integer(-1) }),
  logSoftmax: ({ emitter, inputs }) => emitter.emit('LogSoftmax', inputs, { axis: integer(-1) }),
  crossEntropy: (call) => {
    const { emitter, type } = call;
    // One number a row is read, where the decomposition makes a row of zeros and a one to multiply by.
    const { places, isClass } = emitTargets(call);
    const chosen = emitter.emit('GatherElements', [emitter.emit('LogSoftmax', [at(call, 0)], { axis: integer(-1) }), places], { axis: integer(-1) });
    return emitter.emit('Neg', [emitter.emit('Mul', [emitter.emit('Reshape', [chosen, emitter.integers(type.shape)]), isClass])]);
  },
  crossEntropyGradient: (call) => {
    const { emitter } = call;
    const { places, isClass } = emitTargets(call);
    const column = emitter.integers([...shapeAt(call, 1), 1]);
    const gradient = emitter.emit('Reshape', [at(call, 2), column]);
    const weighted = emitter.emit('Mul', [emitter.emit('Softmax', [at(call, 0)], { axis: integer(-1) }), gradient]);
    const taken = emitter.emit('Neg', [emitter.emit('Mul', [gradient, emitter.emit('Reshape', [isClass, column])])]);
    return emitter.emit('ScatterElements', [weighted, places, taken], { axis: integer(-1), reduction: text('add') });
  },
  layerNorm: ({ emitter, inputs, attributes: { epsilon } }) => emitter.emit('LayerNormalization', inputs, { axis: integer(-1), epsilon: float(epsilon) }),
  // Not as a maximum: ONNX Runtime puts it into the convolution before it, and keeps its own layout from one to the next.
  relu: simple('Relu'),
  gelu: ({ emitter, inputs, attributes: { approximation } }) => {
    // ONNX has the exact one and the one with tanh; it recognises neither by its parts inside a loop.
    if (approximation !== 'quick') return emitter.emit('Gelu', inputs, { approximate: text(approximation === 'tanh' ? 'tanh' : 'none') });
    const [x = ''] = inputs;
    return emitter.emit('Mul', [x, emitter.emit('Sigmoid', [emitter.emit('Mul', [x, emitter.fill([], 'float32', 1.702)])])]);
  },
  maxPool2d: ({ emitter, inputs, attributes: { size } }) => emitter.emit('MaxPool', inputs, { kernel_shape: integers([size, size]), strides: integers([size, size]) }),
  sumPool2d: ({ emitter, inputs, attributes: { size } }) => {
    const average = emitter.emit('AveragePool', inputs, { kernel_shape: integers([size, size]), strides: integers([size, size]) });
    return emitter.emit('Mul', [average, emitter.fill([], 'float32', size * size)]);
  },
  upsampleNearest2d: ({ emitter, inputs, attributes: { factor } }) =>
    emitter.emit('Resize', [...inputs, '', emitter.array(float32Array([4], [1, 1, factor, factor]))], {
      mode: text('nearest'),
      nearest_mode: text('floor'),
      coordinate_transformation_mode: text('asymmetric'),
    }),
  replaceSlice: (call) => {
    const { emitter, attributes } = call;
    const part = shapeAt(call, 1);
    const { axis } = attributes;
    // Where each slice [axis + 1, …) of the part goes, counted from the start: one block of memory each.
    const leading = part.slice(0, axis + 1);
    const places = Array.from({ length: sizeOf(leading) }, (_, flat) => {
      const place: number[] = [];
      let rest = flat;
      for (const length of [...leading].reverse()) {
        place.unshift(rest % length);
        rest = Math.floor(rest / length);
      }
      return place;
    });
    const onAxis = emitter.integers([...Array<number>(axis).fill(0), 1]);
    const start = emitter.emit('Mul', [emitter.emit('Cast', [at(call, 2)], { to: integer(onnxTypes.int64) }), onAxis]);
    const indices = emitter.emit('Add', [emitter.integers(places.flat(), [...leading, axis + 1]), start]);
    return emitter.emit('ScatterND', [at(call, 0), indices, at(call, 1)]);
  },
  conv2dInputGradient: (call) => lowerInputGradient(call.emitter, [at(call, 0), at(call, 1)], call.attributes, shapeAt(call, 0), shapeAt(call, 1)),
  conv2dFilterGradient: (call) => lowerFilterGradient(call.emitter, [at(call, 0), at(call, 1)], call.attributes, shapeAt(call, 1)),
};

/** Emits one node and gives the name of its value. */
export function lowerOperation(operation: LoweredName, call: LoweringCall<OperationAttributes[OperationName]>): string {
  const lower = lowerings[operation] as Lowering<unknown>;
  return (operation === 'literal' ? undefined : lowerEmpty(operation, call)) ?? lower(call);
}
