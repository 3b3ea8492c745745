import type { OperationAttributes } from '@tesserae/core';
import type { Tf, TfTensor } from '../tensorflow.js';
import { broadcast, mergeBroadcast } from './broadcast.js';
import { input, type Kernel, safeRank } from './kernel.js';
import { cosine, sine } from './trigonometry.js';

type UnaryName = 'negate' | 'absolute' | 'sign' | 'exp' | 'log' | 'sqrt' | 'sin' | 'cos' | 'tanh' | 'erf' | 'sigmoid' | 'floor' | 'logicalNot' | 'stopGradient' | 'cast';
type BinaryName = 'add' | 'subtract' | 'multiply' | 'divide' | 'maximum' | 'minimum' | 'power' | 'equal' | 'less' | 'lessOrEqual' | 'logicalAnd' | 'logicalOr';
type ElementwiseName = UnaryName | BinaryName | 'where';

const unary =
  <Attributes>(compute: (tf: Tf, x: TfTensor, attributes: Attributes) => TfTensor): Kernel<Attributes> =>
  (call) => {
    const { tf, attributes, type } = call;
    const x = input(call);
    return x.rank <= safeRank ? compute(tf, x, attributes) : tf.reshape(compute(tf, tf.reshape(x, [x.size]), attributes), [...type.shape]);
  };

const binary =
  (compute: (tf: Tf, a: TfTensor, b: TfTensor) => TfTensor): Kernel<unknown> =>
  (call) => {
    const { tf, type } = call;
    const [a, b] = [input(call), input(call, 1)];
    if (type.shape.length <= safeRank) return compute(tf, a, b);
    const merged = mergeBroadcast([a.shape, b.shape], type.shape);
    const [left, right] = [a, b].map((value, index) =>
      merged.result.length <= safeRank ? tf.reshape(value, merged.shapes[index] ?? []) : tf.reshape(broadcast(tf, value, type.shape), [-1]),
    );
    return tf.reshape(compute(tf, left ?? a, right ?? b), [...type.shape]);
  };

/** Bool arrays have no arithmetic on some devices. */
const logic = (compute: (tf: Tf, a: TfTensor, b: TfTensor) => TfTensor): Kernel<unknown> => {
  const kernel = binary((tf, a, b) => compute(tf, tf.cast(a, 'bool'), tf.cast(b, 'bool')));
  // Merging of high ranks may broadcast, which bool arrays cannot: the kernel casts back.
  return (call) => (call.type.shape.length <= safeRank ? kernel(call) : kernel({ ...call, inputs: call.inputs.map((value) => call.tf.cast(value, 'int32')) }));
};

/** tf.cast to bool keeps the number; ours asks whether it is 0. */
function castTo(tf: Tf, x: TfTensor, { dtype }: OperationAttributes['cast']): TfTensor {
  return dtype === 'bool' && x.dtype !== 'bool' ? tf.notEqual(x, tf.scalar(0, x.dtype === 'int32' ? 'int32' : 'float32')) : tf.cast(x, dtype);
}

/** All three made as large as the result and laid out flat: what every device can choose between. */
const where: Kernel<unknown> = (call) => {
  const { tf, type } = call;
  const flat = (index: number): TfTensor => {
    const value = input(call, index);
    return tf.reshape(broadcast(tf, value.dtype === 'bool' ? tf.cast(value, 'int32') : value, type.shape), [-1]);
  };
  const chosen = tf.reshape(tf.where(tf.cast(flat(0), 'bool'), flat(1), flat(2)), [...type.shape]);
  return type.dtype === 'bool' ? tf.cast(chosen, 'bool') : chosen;
};

export const elementwiseKernels: { readonly [O in ElementwiseName]: Kernel<OperationAttributes[O]> } = {
  negate: unary((tf, x) => tf.neg(x)),
  absolute: unary((tf, x) => tf.abs(x)),
  sign: unary((tf, x) => tf.sign(x)),
  exp: unary((tf, x) => tf.exp(x)),
  log: unary((tf, x) => tf.log(x)),
  sqrt: unary((tf, x) => tf.sqrt(x)),
  sin: unary(sine),
  cos: unary(cosine),
  tanh: unary((tf, x) => tf.tanh(x)),
  erf: unary((tf, x) => tf.erf(x)),
  sigmoid: unary((tf, x) => tf.sigmoid(x)),
  floor: unary((tf, x) => tf.floor(x)),
  logicalNot: unary((tf, x) => tf.logicalNot(x)),
  stopGradient: (call) => input(call),
  cast: unary(castTo),
  add: binary((tf, a, b) => tf.add(a, b)),
  subtract: binary((tf, a, b) => tf.sub(a, b)),
  multiply: binary((tf, a, b) => tf.mul(a, b)),
  divide: binary((tf, a, b) => tf.div(a, b)),
  maximum: binary((tf, a, b) => tf.maximum(a, b)),
  minimum: binary((tf, a, b) => tf.minimum(a, b)),
  power: binary((tf, a, b) => tf.pow(a, b)),
  equal: binary((tf, a, b) => tf.equal(a, b)),
  less: binary((tf, a, b) => tf.less(a, b)),
  lessOrEqual: binary((tf, a, b) => tf.lessEqual(a, b)),
  logicalAnd: logic((tf, a, b) => tf.logicalAnd(a, b)),
  logicalOr: logic((tf, a, b) => tf.logicalOr(a, b)),
  where,
};
