import { apply, type Conv2dAttributes, type Padding2d, type Tensor } from '../graph/index.js';

export interface Conv2dOptions {
  /** Default 1. */
  readonly stride?: number;
  /** A number pads all four sides; default 'same': (filter−1)/2 for odd filters. */
  readonly padding?: number | 'same' | Padding2d;
  readonly dilation?: number;
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

/** Cross-correlation of x `[batch, in, height, width]` with filter `[out, in, filterHeight, filterWidth]`. */
export function conv2d(x: Tensor, filter: Tensor, options: Conv2dOptions = {}): Tensor {
  return apply('conv2d', [x, filter], conv2dAttributes(filter.shape[2] ?? 1, filter.shape[3] ?? 1, options));
}

/**
 * Transposed cross-correlation, what takes a strided `conv2d` back to its input's size: x `[batch, in, height, width]` with filter
 * `[in, out, filterHeight, filterWidth]`, as PyTorch's ConvTranspose2d stores it → `[batch, out, (height − 1)·stride + filter − padding, …]`.
 */
export function convTranspose2d(x: Tensor, filter: Tensor, options: Conv2dOptions = {}): Tensor {
  const [filterHeight = 1, filterWidth = 1] = filter.shape.slice(2);
  const attributes = conv2dAttributes(filterHeight, filterWidth, options);
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
