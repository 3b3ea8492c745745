import { type Graph, nodeAt, type QuantisedMatrix } from '@tesserae/core';
import { type Emitter, integer } from './emitter.js';

/** Names of a graph's constants that are nothing but the weights of layers, [batch, in]·[out, in]ᵀ: those that may be codes. */
export function productConstants(graph: Graph): ReadonlySet<string> {
  const asProducts = new Set<string>();
  const otherwise = new Set<string>();
  /** `constants` tells which constant a node is, by its index; bodies get theirs through what they capture. */
  const visit = ({ nodes, outputs, updates }: Graph, captured: ReadonlyMap<string, string>): void => {
    const constantOf = nodes.map((node) => {
      if (node.operation === 'constant') return node.attributes.name;
      return node.operation === 'input' ? captured.get(node.attributes.name) : undefined;
    });
    for (const node of nodes) {
      if (node.operation === 'loop') {
        const { carried, body } = node.attributes;
        const inner = node.inputs.flatMap((input, index) => {
          const name = constantOf[input];
          if (name === undefined) return [];
          if (index >= carried) return [[`captured.${index - carried}`, name] as const];
          otherwise.add(name);
          return [];
        });
        visit(body, new Map(inner));
        continue;
      }
      node.inputs.forEach((input, index) => {
        const name = constantOf[input];
        if (name === undefined) return;
        const isProduct = node.operation === 'matMul' && index === 1 && !node.attributes.transposeA && node.attributes.transposeB && nodes[input]?.shape.length === 2;
        (isProduct && !node.shape.includes(0) ? asProducts : otherwise).add(name);
      });
    }
    for (const { node } of [...outputs, ...updates]) {
      const name = constantOf[node];
      if (name !== undefined) otherwise.add(name);
    }
  };
  visit(graph, new Map());
  return new Set([...asProducts].filter((name) => !otherwise.has(name)));
}

/** A matrix of codes as initializers of the ONNX graph. */
export interface QuantisedOperand {
  readonly matrix: QuantisedMatrix;
  readonly codes: string;
  readonly scales: string;
}

/** x·matrixᵀ (+ bias) by ONNX Runtime's operator, which multiplies 8-bit blocks of x, rounded row by row (accuracy level 4: the fast one on CPUs). */
export function emitQuantisedProduct(emitter: Emitter, x: string, { matrix, codes, scales }: QuantisedOperand, bias?: string): string {
  const { rows, columns, bits, block } = matrix;
  const attributes = { K: integer(columns), N: integer(rows), bits: integer(bits), block_size: integer(block), accuracy_level: integer(4) };
  return emitter.emit('MatMulNBits', [x, codes, scales, ...(bias === undefined ? [] : ['', '', bias])], attributes, 'com.microsoft');
}

/** Whether a graph's node is a product with `operands`' value on its right. */
export function quantisedOperand(graph: Graph, index: number, names: readonly string[], operands: ReadonlyMap<string, QuantisedOperand>): QuantisedOperand | undefined {
  const node = nodeAt(graph, index);
  const right = node.operation === 'matMul' ? node.inputs[1] : undefined;
  return right === undefined ? undefined : operands.get(names[right] ?? '');
}
