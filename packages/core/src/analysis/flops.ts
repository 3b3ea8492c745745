import { type CompositeName, type Graph, type Node, nodeAt } from '../graph/index.js';
import { prepareGraph } from '../passes/index.js';
import { sizeOf } from '../tensor/index.js';

/** Floating-point operations of one run by where they happen: a multiplication and an addition count as two. */
export interface FlopCount {
  readonly matrixProducts: number;
  readonly convolutions: number;
  readonly total: number;
}

/** Kept whole: opened, the gradient of a strided convolution would count products with the zeros it spreads. */
const countedWhole = ['conv2dInputGradient', 'conv2dFilterGradient'] as const satisfies readonly CompositeName[];

type CountedNode = Exclude<Node, { operation: Exclude<CompositeName, (typeof countedWhole)[number]> }>;

/** 2·(elements of the forward convolution's output)·(products an element): its two gradients do as many. */
function convolutionFlops(outputShape: readonly number[], filterShape: readonly number[]): number {
  return 2 * sizeOf(outputShape) * sizeOf(filterShape.slice(1));
}

const nothing = { matrixProducts: 0, convolutions: 0 } as const;

function nodeFlops(graph: Graph, node: CountedNode): Omit<FlopCount, 'total'> {
  const input = (index: number): readonly number[] => nodeAt(graph, node.inputs[index] ?? -1).shape;
  switch (node.operation) {
    case 'matMul': {
      const inner = input(0)[input(0).length - (node.attributes.transposeA ? 2 : 1)] ?? 0;
      return { ...nothing, matrixProducts: 2 * sizeOf(node.shape) * inner };
    }
    case 'conv2d':
      return { ...nothing, convolutions: convolutionFlops(node.shape, input(1)) };
    case 'conv2dInputGradient':
      return { ...nothing, convolutions: convolutionFlops(input(0), input(1)) };
    case 'conv2dFilterGradient':
      return { ...nothing, convolutions: convolutionFlops(input(1), node.attributes.filterShape) };
    case 'loop': {
      const { body, count } = node.attributes;
      const { matrixProducts, convolutions } = countPrepared(body);
      return { matrixProducts: count * matrixProducts, convolutions: count * convolutions };
    }
    case 'input':
    case 'state':
    case 'constant':
    case 'literal':
    case 'iota':
    case 'loopResult':
    case 'negate':
    case 'absolute':
    case 'sign':
    case 'exp':
    case 'log':
    case 'sqrt':
    case 'sin':
    case 'cos':
    case 'tanh':
    case 'erf':
    case 'sigmoid':
    case 'floor':
    case 'logicalNot':
    case 'stopGradient':
    case 'cast':
    case 'add':
    case 'subtract':
    case 'multiply':
    case 'divide':
    case 'maximum':
    case 'minimum':
    case 'power':
    case 'equal':
    case 'less':
    case 'lessOrEqual':
    case 'logicalAnd':
    case 'logicalOr':
    case 'where':
    case 'reduceSum':
    case 'reduceMax':
    case 'argMax':
    case 'cumulativeSum':
    case 'topValues':
    case 'reshape':
    case 'transpose':
    case 'broadcastTo':
    case 'slice':
    case 'pad':
    case 'concat':
    case 'reverse':
    case 'gather':
    case 'scatterAdd':
      return nothing;
    default:
      return node satisfies never;
  }
}

function countPrepared(graph: Graph): FlopCount {
  let matrixProducts = 0;
  let convolutions = 0;
  for (const node of graph.nodes) {
    // Every other composite was opened.
    const flops = nodeFlops(graph, node as CountedNode);
    matrixProducts += flops.matrixProducts;
    convolutions += flops.convolutions;
  }
  return { matrixProducts, convolutions, total: matrixProducts + convolutions };
}

/**
 * What one run of a traced graph multiplies and adds in matrix products and convolutions, forward and backward alike;
 * everything else is left out. Loops count as often as they run. Counted after composites are opened and dead or doubled
 * nodes are gone, as engines see it. Nothing is allocated: graphs of any size are counted.
 */
export function countFlops(graph: Graph): FlopCount {
  return countPrepared(prepareGraph(graph, { composites: new Set(countedWhole) }));
}
