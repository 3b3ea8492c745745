import { TesseraeError } from '../errors/index.js';
import { broadcastShapes, type DType, formatShape, normaliseAxis, type Shape, sameShape, sizeOf, type TensorType } from '../tensor/index.js';
import type { Conv2dAttributes, OperationAttributes, OperationName } from './operations.js';

/** Leaves carry their type from outside; it is passed through as the only "input type". */
type TypeRule<Attributes> = (inputs: readonly TensorType[], attributes: Attributes) => TensorType;

function fail(operation: string, problem: string, remedy: string, details?: Record<string, unknown>): never {
  throw new TesseraeError('shape-mismatch', `${operation}: ${problem}`, { remedy, ...(details ? { details } : {}) });
}

function at(inputs: readonly TensorType[], index: number, operation: string): TensorType {
  const type = inputs[index];
  if (type === undefined) return fail(operation, `input ${index} is missing.`, 'Pass every input.');
  return type;
}

function expect(type: TensorType, dtypes: readonly DType[], operation: string): TensorType {
  if (!dtypes.includes(type.dtype)) {
    throw new TesseraeError('dtype-mismatch', `${operation}: takes ${dtypes.join(' or ')}, not ${type.dtype}.`, {
      remedy: 'Cast the input first.',
      details: { dtype: type.dtype },
    });
  }
  return type;
}

const unary =
  (operation: string, dtypes: readonly DType[]): TypeRule<unknown> =>
  (inputs) =>
    expect(at(inputs, 0, operation), dtypes, operation);

const binary =
  (operation: string, dtypes: readonly DType[], result?: DType): TypeRule<unknown> =>
  (inputs) => {
    const a = expect(at(inputs, 0, operation), dtypes, operation);
    const b = at(inputs, 1, operation);
    if (a.dtype !== b.dtype) {
      throw new TesseraeError('dtype-mismatch', `${operation}: ${a.dtype} and ${b.dtype} do not mix.`, { remedy: 'Cast one of them.' });
    }
    return { shape: broadcastShapes(a.shape, b.shape, operation), dtype: result ?? a.dtype };
  };

/** The shape of a float input. */
const shapeAt = (inputs: readonly TensorType[], index: number, operation: string): Shape => expect(at(inputs, index, operation), float, operation).shape;

function reduced(shape: Shape, axes: readonly number[], keepDimensions: boolean, operation: string): Shape {
  const removed = new Set(axes.map((axis) => normaliseAxis(axis, shape.length, operation)));
  return keepDimensions ? shape.map((size, axis) => (removed.has(axis) ? 1 : size)) : shape.filter((_, axis) => !removed.has(axis));
}

/** Height and width of a convolution's output. */
export function conv2dOutputSize(input: readonly [number, number], filter: readonly [number, number], attributes: Conv2dAttributes): [number, number] {
  const one = (axis: 0 | 1): number => {
    const [low, high] = attributes.padding[axis];
    const span = (filter[axis] - 1) * attributes.dilations[axis] + 1;
    return Math.floor((input[axis] + low + high - span) / attributes.strides[axis]) + 1;
  };
  return [one(0), one(1)];
}

const float: readonly DType[] = ['float32'];
const numeric: readonly DType[] = ['float32', 'int32'];
const any: readonly DType[] = ['float32', 'int32', 'bool'];
const bool: readonly DType[] = ['bool'];

const leaf: TypeRule<unknown> = (inputs) => at(inputs, 0, 'leaf');

/** A whole row of sizes: whatever computes them may have divided what does not divide. */
const isShape = (shape: Shape): boolean => shape.every((size) => Number.isSafeInteger(size) && size >= 0);

/** Of the last axis. */
const normalised =
  (operation: string): TypeRule<unknown> =>
  (inputs) => {
    const x = expect(at(inputs, 0, operation), float, operation);
    if (x.shape.length === 0) fail(operation, 'a scalar has no last axis.', 'Give it at least one axis.');
    return x;
  };

/** A gain or bias: one number for each of `width`. */
function expectVector(inputs: readonly TensorType[], index: number, width: number | undefined, operation: string, name: 'gain' | 'bias'): void {
  const { shape } = expect(at(inputs, index, operation), float, operation);
  if (shape.length !== 1 || shape[0] !== width) fail(operation, `the ${name} ${formatShape(shape)} is not [${width}].`, `Give one number for each of ${width}.`);
}

/** Non-overlapping windows of `[batch, channels, height, width]`. */
const pooledType =
  (operation: 'maxPool2d' | 'sumPool2d'): TypeRule<{ readonly size: number }> =>
  (inputs, { size }) => {
    const x = expect(at(inputs, 0, operation), float, operation);
    const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
    if (x.shape.length !== 4 || height % size !== 0 || width % size !== 0) {
      fail(operation, `${formatShape(x.shape)} does not divide into ${size}×${size} windows.`, `Use a height and width that are multiples of ${size}.`);
    }
    return { shape: [batch, channels, height / size, width / size], dtype: x.dtype };
  };

/** Type rules: what comes out of each operation, or a typed error. Exhaustive: a new operation without a rule does not compile. */
export const typeRules: { readonly [O in OperationName]: TypeRule<OperationAttributes[O]> } = {
  input: leaf,
  state: leaf,
  constant: leaf,
  literal: (_, { array }) => ({ shape: array.shape, dtype: array.dtype }),
  iota: (_, { axis, shape }) => {
    normaliseAxis(axis, shape.length, 'iota');
    return { shape, dtype: 'int32' };
  },
  negate: unary('negate', numeric),
  absolute: unary('absolute', numeric),
  sign: unary('sign', float),
  exp: unary('exp', float),
  log: unary('log', float),
  sqrt: unary('sqrt', float),
  sin: unary('sin', float),
  cos: unary('cos', float),
  tanh: unary('tanh', float),
  erf: unary('erf', float),
  sigmoid: unary('sigmoid', float),
  floor: unary('floor', float),
  logicalNot: unary('logicalNot', bool),
  stopGradient: unary('stopGradient', any),
  cast: (inputs, { dtype }) => ({ shape: at(inputs, 0, 'cast').shape, dtype }),
  add: binary('add', numeric),
  subtract: binary('subtract', numeric),
  multiply: binary('multiply', numeric),
  divide: binary('divide', float),
  maximum: binary('maximum', numeric),
  minimum: binary('minimum', numeric),
  power: binary('power', float),
  equal: binary('equal', numeric, 'bool'),
  less: binary('less', numeric, 'bool'),
  lessOrEqual: binary('lessOrEqual', numeric, 'bool'),
  logicalAnd: binary('logicalAnd', bool),
  logicalOr: binary('logicalOr', bool),
  where: (inputs) => {
    const condition = expect(at(inputs, 0, 'where'), bool, 'where');
    const values = binary('where', any)(inputs.slice(1), {});
    return { shape: broadcastShapes(condition.shape, values.shape, 'where'), dtype: values.dtype };
  },
  reduceSum: (inputs, { axes, keepDimensions }) => {
    const x = expect(at(inputs, 0, 'reduceSum'), numeric, 'reduceSum');
    return { shape: reduced(x.shape, axes, keepDimensions, 'reduceSum'), dtype: x.dtype };
  },
  reduceMax: (inputs, { axes, keepDimensions }) => {
    const x = expect(at(inputs, 0, 'reduceMax'), numeric, 'reduceMax');
    return { shape: reduced(x.shape, axes, keepDimensions, 'reduceMax'), dtype: x.dtype };
  },
  argMax: (inputs, { axis }) => {
    const x = expect(at(inputs, 0, 'argMax'), float, 'argMax');
    if (x.shape[normaliseAxis(axis, x.shape.length, 'argMax')] === 0) fail('argMax', 'the axis is empty.', 'Give it at least one element.');
    return { shape: reduced(x.shape, [axis], false, 'argMax'), dtype: 'int32' };
  },
  cumulativeSum: (inputs, { axis }) => {
    const x = expect(at(inputs, 0, 'cumulativeSum'), float, 'cumulativeSum');
    normaliseAxis(axis, x.shape.length, 'cumulativeSum');
    return x;
  },
  topValues: (inputs, { count }) => {
    const x = expect(at(inputs, 0, 'topValues'), float, 'topValues');
    const last = x.shape[x.shape.length - 1] ?? 0;
    if (!Number.isInteger(count) || count < 1 || count > last) fail('topValues', `cannot take ${count} of ${last} values.`, `Ask for 1 to ${last}.`);
    return { shape: [...x.shape.slice(0, -1), count], dtype: x.dtype };
  },
  reshape: (inputs, { shape }) => {
    const x = at(inputs, 0, 'reshape');
    if (!isShape(shape) || sizeOf(x.shape) !== sizeOf(shape)) {
      fail('reshape', `${formatShape(x.shape)} has ${sizeOf(x.shape)} elements, ${formatShape(shape)} ${sizeOf(shape)}.`, 'Keep the number of elements.');
    }
    return { shape, dtype: x.dtype };
  },
  transpose: (inputs, { permutation }) => {
    const x = at(inputs, 0, 'transpose');
    if ([...permutation].sort((a, b) => a - b).some((axis, index) => axis !== index) || permutation.length !== x.shape.length) {
      fail('transpose', `[${permutation.join(', ')}] is not a permutation of the ${x.shape.length} axes.`, 'Name each axis once.');
    }
    return { shape: permutation.map((axis) => x.shape[axis] ?? 0), dtype: x.dtype };
  },
  broadcastTo: (inputs, { shape }) => {
    const x = at(inputs, 0, 'broadcastTo');
    if (!sameShape(broadcastShapes(x.shape, shape, 'broadcastTo'), shape)) {
      fail('broadcastTo', `${formatShape(x.shape)} does not broadcast to ${formatShape(shape)}.`, 'Only axes of size 1 can grow.');
    }
    return { shape, dtype: x.dtype };
  },
  slice: (inputs, { starts, sizes, strides }) => {
    const x = at(inputs, 0, 'slice');
    if (starts.length !== x.shape.length || sizes.length !== x.shape.length || strides.length !== x.shape.length) {
      fail('slice', `needs a start, size and stride for each of ${x.shape.length} axes.`, 'Give one of each per axis.');
    }
    x.shape.forEach((length, axis) => {
      const start = starts[axis] ?? 0;
      const size = sizes[axis] ?? 0;
      const stride = strides[axis] ?? 1;
      if (!isShape([start, size, stride]) || stride < 1 || (size > 0 && start + (size - 1) * stride >= length)) {
        fail('slice', `${size} elements from ${start} by ${stride} leave axis ${axis} of ${formatShape(x.shape)}.`, 'Stay inside the tensor.');
      }
    });
    return { shape: sizes, dtype: x.dtype };
  },
  pad: (inputs, { low, high }) => {
    const x = at(inputs, 0, 'pad');
    if (low.length !== x.shape.length || high.length !== x.shape.length || [...low, ...high].some((amount) => amount < 0)) {
      fail('pad', `needs an amount ≥ 0 before and after each of ${x.shape.length} axes.`, 'Use slice to cut.');
    }
    return { shape: x.shape.map((size, axis) => size + (low[axis] ?? 0) + (high[axis] ?? 0)), dtype: x.dtype };
  },
  concat: (inputs, { axis }) => {
    const first = at(inputs, 0, 'concat');
    const along = normaliseAxis(axis, first.shape.length, 'concat');
    let total = 0;
    for (const type of inputs) {
      if (type.dtype !== first.dtype || type.shape.length !== first.shape.length || type.shape.some((size, other) => other !== along && size !== first.shape[other])) {
        fail('concat', `${formatShape(first.shape)} ${first.dtype} and ${formatShape(type.shape)} ${type.dtype} do not join at axis ${axis}.`, 'All other axes must agree.');
      }
      total += type.shape[along] ?? 0;
    }
    return { shape: first.shape.map((size, other) => (other === along ? total : size)), dtype: first.dtype };
  },
  reverse: (inputs, { axes }) => {
    const x = at(inputs, 0, 'reverse');
    for (const axis of axes) normaliseAxis(axis, x.shape.length, 'reverse');
    return x;
  },
  matMul: (inputs, { transposeA, transposeB }) => {
    const a = expect(at(inputs, 0, 'matMul'), float, 'matMul').shape;
    const b = expect(at(inputs, 1, 'matMul'), float, 'matMul').shape;
    if (a.length < 2 || b.length < 2) fail('matMul', `${formatShape(a)} × ${formatShape(b)}: both need at least two axes.`, 'Reshape a vector to one row or column.');
    const [m, k] = transposeA ? [a[a.length - 1], a[a.length - 2]] : [a[a.length - 2], a[a.length - 1]];
    const [inner, n] = transposeB ? [b[b.length - 1], b[b.length - 2]] : [b[b.length - 2], b[b.length - 1]];
    if (k !== inner) fail('matMul', `${formatShape(a)} × ${formatShape(b)}: inner sizes ${k} and ${inner} differ.`, 'Check the transpose flags.', { a, b });
    return { shape: [...broadcastShapes(a.slice(0, -2), b.slice(0, -2), 'matMul'), m ?? 0, n ?? 0], dtype: 'float32' };
  },
  conv2d: (inputs, attributes) => {
    const x = expect(at(inputs, 0, 'conv2d'), float, 'conv2d').shape;
    const filter = expect(at(inputs, 1, 'conv2d'), float, 'conv2d').shape;
    const [batch = 0, channels, height = 0, width = 0] = x;
    const [out = 0, filterChannels, filterHeight = 0, filterWidth = 0] = filter;
    if (x.length !== 4 || filter.length !== 4 || channels !== filterChannels) {
      fail('conv2d', `${formatShape(x)} does not fit the filter ${formatShape(filter)}.`, 'Use [batch, in, height, width] and [out, in, height, width].', { x, filter });
    }
    const [outHeight, outWidth] = conv2dOutputSize([height, width], [filterHeight, filterWidth], attributes);
    if (outHeight < 0 || outWidth < 0) fail('conv2d', `the filter ${formatShape(filter)} is larger than the padded input ${formatShape(x)}.`, 'Pad more or use a larger picture.');
    return { shape: [batch, out, outHeight, outWidth], dtype: 'float32' };
  },
  gather: (inputs, { axis }) => {
    const table = at(inputs, 0, 'gather');
    const indices = expect(at(inputs, 1, 'gather'), ['int32'], 'gather');
    const along = normaliseAxis(axis, table.shape.length, 'gather');
    return { shape: [...table.shape.slice(0, along), ...indices.shape, ...table.shape.slice(along + 1)], dtype: table.dtype };
  },
  scatterAdd: (inputs, { size }) => {
    const indices = expect(at(inputs, 0, 'scatterAdd'), ['int32'], 'scatterAdd').shape;
    const updates = expect(at(inputs, 1, 'scatterAdd'), float, 'scatterAdd').shape;
    if (!sameShape(indices, updates.slice(0, indices.length))) {
      fail('scatterAdd', `updates ${formatShape(updates)} do not begin with the indices' shape ${formatShape(indices)}.`, 'Give one update per index.');
    }
    return { shape: [size, ...updates.slice(indices.length)], dtype: 'float32' };
  },
  loop: (inputs, { body, carried, count }) => {
    if (!Number.isInteger(count) || count < 1) fail('loop', `cannot run ${count} times.`, 'Use a whole count of at least 1.');
    for (let index = 0; index < carried; index += 1) {
      const before = at(inputs, index, 'loop');
      const output = body.outputs[index];
      const after = output === undefined ? undefined : body.nodes[output.node];
      if (after === undefined || after.dtype !== before.dtype || !sameShape(after.shape, before.shape)) {
        fail(
          'loop',
          `carried value ${index} changes from ${before.dtype} ${formatShape(before.shape)} to ${after ? `${after.dtype} ${formatShape(after.shape)}` : 'nothing'}.`,
          'Carry values of constant type.',
        );
      }
    }
    return { shape: [0], dtype: 'int32' };
  },
  loopResult: leaf,
  softmax: normalised('softmax'),
  normalisedExp: normalised('normalisedExp'),
  logSoftmax: normalised('logSoftmax'),
  layerNorm: (inputs) => {
    const x = normalised('layerNorm')(inputs, {});
    const width = x.shape[x.shape.length - 1];
    expectVector(inputs, 1, width, 'layerNorm', 'gain');
    expectVector(inputs, 2, width, 'layerNorm', 'bias');
    return x;
  },
  rmsNorm: (inputs) => {
    const x = normalised('rmsNorm')(inputs, {});
    expectVector(inputs, 1, x.shape[x.shape.length - 1], 'rmsNorm', 'gain');
    return x;
  },
  groupNorm: (inputs, { groups }) => {
    const x = expect(at(inputs, 0, 'groupNorm'), float, 'groupNorm');
    if (x.shape.length !== 4 || (x.shape[1] ?? 0) % groups !== 0) {
      fail('groupNorm', `${formatShape(x.shape)} does not split into ${groups} groups of channels.`, 'Use [batch, channels, height, width] with channels a multiple of groups.');
    }
    expectVector(inputs, 1, x.shape[1], 'groupNorm', 'gain');
    expectVector(inputs, 2, x.shape[1], 'groupNorm', 'bias');
    return x;
  },
  relu: unary('relu', float),
  gelu: unary('gelu', float),
  silu: unary('silu', float),
  attention: (inputs) => {
    const [q, k, v] = [shapeAt(inputs, 0, 'attention'), shapeAt(inputs, 1, 'attention'), shapeAt(inputs, 2, 'attention')];
    if (q.length < 3 || q[q.length - 1] !== k[k.length - 1] || k[k.length - 2] !== v[v.length - 2]) {
      fail('attention', `queries ${formatShape(q)}, keys ${formatShape(k)} and values ${formatShape(v)} do not fit.`, 'Use […, length, headSize].');
    }
    const scores = [...broadcastShapes(q.slice(0, -2), k.slice(0, -2), 'attention'), q[q.length - 2] ?? 0, k[k.length - 2] ?? 0];
    if (inputs.length > 3) {
      const mask = expect(at(inputs, 3, 'attention'), bool, 'attention').shape;
      if (!sameShape(broadcastShapes(mask, scores, 'attention'), scores)) {
        fail('attention', `the mask ${formatShape(mask)} does not broadcast to the scores ${formatShape(scores)}.`, 'Use […, queries, keys].');
      }
    }
    return { shape: [...broadcastShapes(scores.slice(0, -2), v.slice(0, -2), 'attention'), q[q.length - 2] ?? 0, v[v.length - 1] ?? 0], dtype: 'float32' };
  },
  crossEntropy: (inputs) => {
    const logits = expect(at(inputs, 0, 'crossEntropy'), float, 'crossEntropy').shape;
    const labels = expect(at(inputs, 1, 'crossEntropy'), ['int32'], 'crossEntropy').shape;
    if (!sameShape(labels, logits.slice(0, -1))) {
      fail('crossEntropy', `labels ${formatShape(labels)} do not fit logits ${formatShape(logits)}.`, 'Give one label per row of logits.');
    }
    return { shape: labels, dtype: 'float32' };
  },
  crossEntropyGradient: (inputs) => {
    const logits = expect(at(inputs, 0, 'crossEntropyGradient'), float, 'crossEntropyGradient');
    const labels = expect(at(inputs, 1, 'crossEntropyGradient'), ['int32'], 'crossEntropyGradient').shape;
    const gradient = expect(at(inputs, 2, 'crossEntropyGradient'), float, 'crossEntropyGradient').shape;
    if (![labels, gradient].every((shape) => sameShape(shape, logits.shape.slice(0, -1)))) {
      fail(
        'crossEntropyGradient',
        `labels ${formatShape(labels)} and gradient ${formatShape(gradient)} do not fit logits ${formatShape(logits.shape)}.`,
        'Give one of each per row of logits.',
      );
    }
    return logits;
  },
  oneHot: (inputs, { depth }) => ({ shape: [...expect(at(inputs, 0, 'oneHot'), ['int32'], 'oneHot').shape, depth], dtype: 'float32' }),
  replaceSlice: (inputs, { axis }) => {
    const [x, part] = [at(inputs, 0, 'replaceSlice'), at(inputs, 1, 'replaceSlice')];
    const start = expect(at(inputs, 2, 'replaceSlice'), ['int32'], 'replaceSlice').shape;
    const fits = part.shape.length === x.shape.length && part.shape.every((length, index) => (index === axis ? length <= (x.shape[index] ?? 0) : length === x.shape[index]));
    if (!fits || part.dtype !== x.dtype || start.length !== 0) {
      fail(
        'replaceSlice',
        `${part.dtype} ${formatShape(part.shape)} at ${formatShape(start)} is no part of ${x.dtype} ${formatShape(x.shape)} along axis ${axis}.`,
        'Give a part that is shorter along that axis only, and a scalar start.',
      );
    }
    return x;
  },
  maxPool2d: pooledType('maxPool2d'),
  sumPool2d: pooledType('sumPool2d'),
  upsampleNearest2d: (inputs, { factor }) => {
    const x = expect(at(inputs, 0, 'upsampleNearest2d'), float, 'upsampleNearest2d');
    const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
    if (x.shape.length !== 4 || !isShape([factor])) {
      fail('upsampleNearest2d', `${formatShape(x.shape)} does not grow ${factor} times.`, 'Use [batch, channels, height, width] and a whole factor.');
    }
    return { shape: [batch, channels, height * factor, width * factor], dtype: x.dtype };
  },
  conv2dInputGradient: (_, { inputShape }) => ({ shape: inputShape, dtype: 'float32' }),
  conv2dFilterGradient: (_, { filterShape }) => ({ shape: filterShape, dtype: 'float32' }),
};

/** The type of an operation's value. @throws TesseraeError `shape-mismatch`, `dtype-mismatch` or `invalid-argument`. */
export function inferType<O extends OperationName>(operation: O, inputs: readonly TensorType[], attributes: OperationAttributes[O]): TensorType {
  const rule: TypeRule<OperationAttributes[O]> = typeRules[operation];
  return rule(inputs, attributes);
}
