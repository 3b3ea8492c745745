import type { Conv2dAttributes, OperationAttributes, Shape } from '@tesserae/core';
import { type Emitter, integer, integers } from './emitter.js';

export function convAttributes({ strides, padding, dilations }: Conv2dAttributes, filterShape: Shape) {
  const [[top, bottom], [left, right]] = padding;
  return { kernel_shape: integers(filterShape.slice(2)), strides: integers(strides), dilations: integers(dilations), pads: integers([top, left, bottom, right]) };
}

/**
 * With stride 1: a convolution of the gradient with the flipped filter, padded by what the forward padding left.
 * Otherwise ONNX's transposed convolution, which skips the zeros that spreading the gradient would insert.
 */
export function lowerInputGradient(
  emitter: Emitter,
  [gradient, filter]: readonly [string, string],
  attributes: OperationAttributes['conv2dInputGradient'],
  gradientShape: Shape,
  filterShape: Shape,
): string {
  const { strides, padding, dilations, inputShape } = attributes;
  const span = (axis: 0 | 1): number => ((filterShape[2 + axis] ?? 1) - 1) * dilations[axis];
  const low = (axis: 0 | 1): number => span(axis) - padding[axis][0];
  const high = (axis: 0 | 1): number => (inputShape[2 + axis] ?? 0) + span(axis) - (gradientShape[2 + axis] ?? 0) - low(axis);
  if (strides[0] === 1 && strides[1] === 1 && Math.min(low(0), low(1), high(0), high(1)) >= 0) {
    const pointwise = filterShape[2] === 1 && filterShape[3] === 1;
    const flipped = pointwise
      ? filter
      : emitter.emit('Slice', [filter, emitter.integers([-1, -1]), emitter.integers([-2147483647, -2147483647]), emitter.integers([2, 3]), emitter.integers([-1, -1])]);
    const swapped = emitter.emit('Transpose', [flipped], { perm: integers([1, 0, 2, 3]) });
    return emitter.emit('Conv', [gradient, swapped], {
      kernel_shape: integers(filterShape.slice(2)),
      strides: integers([1, 1]),
      dilations: integers(dilations),
      pads: integers([low(0), low(1), high(0), high(1)]),
    });
  }
  const [[top], [left]] = padding;
  // What the transposed convolution gives without any padding; cut or filled to the input's size below.
  const natural = (axis: 0 | 1): number => ((gradientShape[2 + axis] ?? 0) - 1) * strides[axis] + span(axis) + 1;
  const whole = emitter.emit('ConvTranspose', [gradient, filter], { kernel_shape: integers(filterShape.slice(2)), strides: integers(strides), dilations: integers(dilations) });
  const wanted = [inputShape[2] ?? 0, inputShape[3] ?? 0] as const;
  const start = [top, left] as const;
  const missing = ([0, 1] as const).map((axis) => Math.max(0, start[axis] + wanted[axis] - natural(axis)));
  const filled = missing.every((amount) => amount === 0) ? whole : emitter.emit('Pad', [whole, emitter.integers([0, 0, 0, 0, 0, 0, ...missing])]);
  return emitter.emit('Slice', [filled, emitter.integers(start), emitter.integers([start[0] + wanted[0], start[1] + wanted[1]]), emitter.integers([2, 3])]);
}

/** One long matrix product over all positions: see the decomposition in core. 1×1 filters need no shifted views. */
export function lowerFilterGradient(
  emitter: Emitter,
  [x, gradient]: readonly [string, string],
  attributes: OperationAttributes['conv2dFilterGradient'],
  gradientShape: Shape,
): string {
  const { filterShape, strides, padding, dilations } = attributes;
  const [outputs = 0, channels = 0, filterHeight = 0, filterWidth = 0] = filterShape;
  const [batch = 0, , height = 0, width = 0] = gradientShape;
  const [[top, bottom], [left, right]] = padding;
  const positions = height * width;
  const padded = top + bottom + left + right === 0 ? x : emitter.emit('Pad', [x, emitter.integers([0, 0, top, left, 0, 0, bottom, right])]);
  const views: string[] = [];
  for (let row = 0; row < filterHeight; row += 1) {
    for (let column = 0; column < filterWidth; column += 1) {
      const starts = [row * dilations[0], column * dilations[1]] as const;
      const ends = [starts[0] + (height - 1) * strides[0] + 1, starts[1] + (width - 1) * strides[1] + 1];
      const whole = filterHeight === 1 && filterWidth === 1 && strides[0] === 1 && strides[1] === 1;
      const view = whole ? padded : emitter.emit('Slice', [padded, emitter.integers(starts), emitter.integers(ends), emitter.integers([2, 3]), emitter.integers(strides)]);
      views.push(emitter.emit('Reshape', [view, emitter.integers([batch, channels, positions])]));
    }
  }
  // [batch, taps·in, positions] × [batch, positions, out] a picture, then the sum over pictures: the columns of a
  // picture stay in cache, and no axis has to be moved in memory.
  const [first = ''] = views;
  const columns = views.length === 1 ? first : emitter.emit('Concat', views, { axis: integer(1) });
  const flat = emitter.emit('Reshape', [gradient, emitter.integers([batch, outputs, positions])]);
  const products = emitter.contrib
    ? emitter.emit('FusedMatMul', [flat, columns], { transB: integer(1) }, 'com.microsoft')
    : emitter.emit('MatMul', [flat, emitter.emit('Transpose', [columns], { perm: integers([0, 2, 1]) })]);
  const sum = emitter.emit('ReduceSum', [products, emitter.integers([0])], { keepdims: integer(0) });
  const shaped = emitter.emit('Reshape', [sum, emitter.integers([outputs, filterHeight, filterWidth, channels])]);
  return emitter.emit('Transpose', [shaped], { perm: integers([0, 3, 1, 2]) });
}
