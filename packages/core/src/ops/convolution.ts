import { apply, type Conv2dAttributes, type Padding2d, type Tensor } from '../graph/index.js';
import { concat, sliceAxis } from './shape.js';

export interface Conv2dOptions {
  /** Default 1. */
  readonly stride?: number;
  /** A number pads all four sides; default 'same': (filter−1)/2 for odd filters. */
  readonly padding?: number | 'same' | Padding2d;
  readonly dilation?: number;
  /** The picture goes on at its other edge instead of in zeros, as if it were repeated in all directions. Default false. */
  readonly seamless?: boolean;
}

export function conv2dAttributes(filterHeight: number, filterWidth: number, options: Conv2dOptions = {}): Conv2dAttributes {
  const { stride = 1, padding = 'same', dilation = 1 } = options;
  const half = (size: number): readonly [number, number] => {
    const total = (size - 1) * dilation;
    return [Math.floor(total / 2), Math.ceil(total / 2)];
  };
  const resolved: Padding2d =
    padding === 'same'
      ? [half(filterHeight), half(filterWidth)]
      : typeof padding === 'number'
        ? [
            [padding, padding],
            [padding, padding],
          ]
        : padding;
  return { strides: [stride, stride], padding: resolved, dilations: [dilation, dilation] };
}

/** One axis with what lies before and after it when it is repeated. */
function repeatAxis(x: Tensor, axis: number, before: number, after: number): Tensor {
  const length = x.shape[axis] ?? 0;
  const parts: Tensor[] = [];
  for (let start = -before; start < length + after; ) {
    const from = ((start % length) + length) % length;
    const size = Math.min(length - from, length + after - start);
    parts.push(sliceAxis(x, axis, from, size));
    start += size;
  }
  return concat(parts, axis);
}

/** x `[batch, channels, height, width]` with rows and columns of its opposite edges around it. */
function repeatAround(x: Tensor, [rows, columns]: Padding2d): Tensor {
  return repeatAxis(repeatAxis(x, 2, ...rows), 3, ...columns);
}

const noPadding: Padding2d = [
  [0, 0],
  [0, 0],
];

/** Cross-correlation of x `[batch, in, height, width]` with filter `[out, in, filterHeight, filterWidth]`. */
export function conv2d(x: Tensor, filter: Tensor, options: Conv2dOptions = {}): Tensor {
  const attributes = conv2dAttributes(filter.shape[2] ?? 1, filter.shape[3] ?? 1, options);
  if (options.seamless !== true) return apply('conv2d', [x, filter], attributes);
  return apply('conv2d', [repeatAround(x, attributes.padding), filter], { ...attributes, padding: noPadding });
}

/**
 * Transposed cross-correlation, what takes a strided `conv2d` back to its input's size: x `[batch, in, height, width]` with filter
 * `[in, out, filterHeight, filterWidth]`, as PyTorch's ConvTranspose2d stores it → `[batch, out, (height − 1)·stride + filter − padding, …]`;
 * seamless ones give `[batch, out, height·stride, …]`.
 */
export function convTranspose2d(x: Tensor, filter: Tensor, options: Conv2dOptions = {}): Tensor {
  const [filterHeight = 1, filterWidth = 1] = filter.shape.slice(2);
  const attributes = conv2dAttributes(filterHeight, filterWidth, options);
  if (options.seamless === true) {
    // So much around x that every pixel of the middle has all its neighbours; what the neighbours' own copies give is cut off.
    const reach = (axis: 0 | 1, filterSize: number): number => Math.ceil(((filterSize - 1) * attributes.dilations[axis]) / attributes.strides[axis]);
    const around = [reach(0, filterHeight), reach(1, filterWidth)] as const;
    const wider = repeatAround(x, [
      [around[0], around[0]],
      [around[1], around[1]],
    ]);
    const middle = (whole: Tensor, axis: 0 | 1): Tensor => sliceAxis(whole, 2 + axis, around[axis] * attributes.strides[axis], (x.shape[2 + axis] ?? 0) * attributes.strides[axis]);
    const whole = convTranspose2d(wider, filter, { ...options, seamless: false });
    return middle(middle(whole, 0), 1);
  }
  const grown = (axis: 0 | 1, filterSize: number): number => {
    const [before, after] = attributes.padding[axis];
    return ((x.shape[2 + axis] ?? 0) - 1) * attributes.strides[axis] + (filterSize - 1) * attributes.dilations[axis] + 1 - before - after;
  };
  const inputShape = [x.shape[0] ?? 0, filter.shape[1] ?? 0, grown(0, filterHeight), grown(1, filterWidth)];
  return apply('conv2dInputGradient', [x, filter], { ...attributes, inputShape });
}

/** Largest value of each size×size window. Height and width must be multiples of `size`. */
export const maxPool2d = (x: Tensor, size = 2): Tensor => apply('maxPool2d', [x], { size });

/** Sum of each size×size window. Height and width must be multiples of `size`. */
export const sumPool2d = (x: Tensor, size = 2): Tensor => apply('sumPool2d', [x], { size });

/** Every pixel becomes a factor×factor square. */
export const upsampleNearest2d = (x: Tensor, factor = 2): Tensor => apply('upsampleNearest2d', [x], { factor });
