import type { Graph, HostArray } from '@tesserae/core';
import { type Tf, type TfTensor, upload } from './tensorflow.js';

/** Numbers written into a graph and its loop bodies, on the device: uploaded once a program, not once a run. */
export interface DeviceLiterals {
  tensor(array: HostArray): TfTensor | undefined;
  release(): void;
}

export function uploadLiterals(tf: Tf, graph: Graph): DeviceLiterals {
  const tensors = new Map<HostArray, TfTensor>();
  const visit = ({ nodes }: Graph): void => {
    for (const { operation, attributes } of nodes) {
      if (operation === 'loop') visit(attributes.body);
      else if (operation === 'literal' && !tensors.has(attributes.array)) tensors.set(attributes.array, upload(tf, attributes.array));
    }
  };
  visit(graph);
  return {
    tensor: (array) => tensors.get(array),
    release() {
      for (const tensor of tensors.values()) tensor.dispose();
      tensors.clear();
    },
  };
}
