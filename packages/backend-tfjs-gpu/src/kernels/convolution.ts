import type { Tensor4D } from '@tensorflow/tfjs-core';
import type { OperationAttributes } from '@tesserae/core';
import { input, type Kernel } from './kernel.js';
import { windowKernels } from './window.js';

/** The channels-first convolution of graphs by the channels-last one of TensorFlow.js, the only one all devices have. */
const conv2d: Kernel<OperationAttributes['conv2d']> = (call) => {
  const { tf, attributes, type } = call;
  const { strides, dilations, padding } = attributes;
  const [[top, bottom], [left, right]] = padding;
  const pixels = tf.transpose(input(call), [0, 2, 3, 1]);
  const padded =
    top + bottom + left + right === 0
      ? pixels
      : tf.pad(pixels, [
          [0, 0],
          [top, bottom],
          [left, right],
          [0, 0],
        ]);
  const filter = tf.transpose(input(call, 1), [2, 3, 1, 0]);
  const convolve = (steps: readonly [number, number]) => tf.transpose(tf.conv2d(padded as Tensor4D, filter as Tensor4D, [...steps], 'valid', 'NHWC', [...dilations]), [0, 3, 1, 2]);
  const isDilated = dilations.some((dilation) => dilation > 1);
  if (!isDilated || strides.every((stride) => stride === 1)) return convolve(strides);
  // TensorFlow.js does not stride and dilate at once: compute every position and keep those wanted.
  return windowKernels.slice({
    tf,
    inputs: [convolve([1, 1])],
    type,
    attributes: { starts: [0, 0, 0, 0], sizes: type.shape, strides: [1, 1, ...strides] },
  });
};

export const convolutionKernels = { conv2d };
