import { type CompositeName, type Graph, type Node, nodeAt, prepareGraph, sizeOf } from '@tesserae/core';

/** Floating-point operations of one run by where they happen: a multiplication and an addition count as two. */
export interface FlopCount {
  readonly matrixProducts: number;
  readonly convolutions: number;
  readonly total: number;
}

/** Kept whole: opened, the gradient of a strided convolution would count products with the zeros it spreads. */
const countedWhole: ReadonlySet<CompositeName> = new Set(['conv2dInputGradient', 'conv2dFilterGradient']);

/** 2·(elements of the forward convolution's output)·(products an element): its two gradients do as many. */
function convolutionFlops(outputShape: readonly number[], filterShape: readonly number[]): number {
  return 2 * sizeOf(outputShape) * sizeOf(filterShape.slice(1));
}

function nodeFlops(graph: Graph, node: Node): Omit<FlopCount, 'total'> {
  const input = (index: number): readonly number[] => nodeAt(graph, node.inputs[index] ?? -1).shape;
  switch (node.operation) {
    case 'matMul': {
      const inner = input(0)[input(0).length - (node.attributes.transposeA ? 2 : 1)] ?? 0;
      return { matrixProducts: 2 * sizeOf(node.shape) * inner, convolutions: 0 };
    }
    case 'conv2d':
      return { matrixProducts: 0, convolutions: convolutionFlops(node.shape, input(1)) };
    case 'conv2dInputGradient':
      return { matrixProducts: 0, convolutions: convolutionFlops(input(0), input(1)) };
    case 'conv2dFilterGradient':
      return { matrixProducts: 0, convolutions: convolutionFlops(input(1), node.attributes.filterShape) };
    case 'loop': {
      const body = countPrepared(node.attributes.body);
      return { matrixProducts: node.attributes.count * body.matrixProducts, convolutions: node.attributes.count * body.convolutions };
    }
    default:
      return { matrixProducts: 0, convolutions: 0 };
  }
}

function countPrepared(graph: Graph): FlopCount {
  let matrixProducts = 0;
  let convolutions = 0;
  for (const node of graph.nodes) {
    const flops = nodeFlops(graph, node);
    matrixProducts += flops.matrixProducts;
    convolutions += flops.convolutions;
  }
  return { matrixProducts, convolutions, total: matrixProducts + convolutions };
}

/**
 * What one run of a traced graph multiplies and adds in matrix products and convolutions, forward and backward alike;
 * everything else is left out. Counted after composites are opened and dead or doubled nodes are gone, as engines see it.
 */
export function countFlops(graph: Graph): FlopCount {
  return countPrepared(prepareGraph(graph, { composites: countedWhole }));
}
