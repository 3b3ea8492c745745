import { type Graph, nodeAt, type QuantisedMatrix, type Shape, sizeOf } from '@tesserae/core';
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

/** A matrix of codes, and the ONNX name of the constant that it stands for. */
export interface QuantisedOperand {
  readonly name: string;
  readonly matrix: QuantisedMatrix;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength);

/** Weights that share a scale in `MatMulNBits`, where they are less than a row: it knows no blocks of any length. */
const longestBlock = 128;

/** Codes of 8 bits with one scale a row, filled up to whole blocks. */
function filledCodes({ rows, columns, codes }: QuantisedMatrix): Uint8Array {
  const length = Math.ceil(columns / longestBlock) * longestBlock;
  const filled = new Uint8Array(rows * length).fill(128);
  for (let row = 0; row < rows; row += 1) filled.set(codes.subarray(row * columns, (row + 1) * columns), row * length);
  return filled;
}

/** x·matrixᵀ (+ bias) by the operator that multiplies 8-bit blocks of x, rounded row by row (accuracy level 4: the fast one on CPUs). */
function emitBlockProduct(emitter: Emitter, x: string, { matrix, name }: QuantisedOperand, bias?: string): string {
  const { rows, columns, bits, codes, scales } = matrix;
  const block = bits === 8 ? longestBlock : matrix.block;
  const blocks = Math.ceil(columns / block);
  // A row's one scale stands for each of its blocks.
  const scaleOf = (place: number): number => scales[bits === 8 ? Math.floor(place / blocks) : place] ?? 0;
  const operands = [
    emitter.bytes(`${name}:codes`, 'uint8', [rows, blocks, (block * bits) / 8], () => (bits === 8 ? filledCodes(matrix) : codes)),
    emitter.bytes(`${name}:scales`, 'float32', [rows, blocks], () => bytesOf(Float32Array.from({ length: rows * blocks }, (_, place) => scaleOf(place)))),
  ];
  const attributes = { K: integer(columns), N: integer(rows), bits: integer(bits), block_size: integer(block), accuracy_level: integer(4) };
  return emitter.emit('MatMulNBits', [x, ...operands, ...(bias === undefined ? [] : ['', '', bias])], attributes, 'com.microsoft');
}

/** Codes [rows, columns] around 128 as signed numbers [columns, rows]. */
function transposedCodes({ rows, columns, codes }: QuantisedMatrix): Uint8Array {
  const moved = new Int8Array(rows * columns);
  for (let row = 0; row < rows; row += 1) for (let column = 0; column < columns; column += 1) moved[column * rows + row] = (codes[row * columns + column] ?? 128) - 128;
  return bytesOf(moved);
}

/** Up to this many rows each is multiplied alone. */
const mostRowsApart = 16;

/**
 * [count, columns]·matrixᵀ (+ bias), row by row: the operator finds one scale for all that it is given, and a candidate may not depend on those beside
 * it. For few rows it is still the quicker one: 1.2 to 1.7 times for one, twice for 8, which meet the matrix in a cache (2 cores, AVX2, ONNX Runtime 1.30).
 */
function emitRowProducts(emitter: Emitter, x: string, { matrix, name }: QuantisedOperand, shape: Shape, bias?: string): string {
  const { rows, columns, scales } = matrix;
  const operands = [
    emitter.bytes(`${name}:transposed`, 'int8', [columns, rows], () => transposedCodes(matrix)),
    emitter.bytes(`${name}:row-scales`, 'float32', [rows], () => bytesOf(scales)),
    ...(bias === undefined ? [] : ['', bias]),
  ];
  const count = sizeOf(shape.slice(0, -1));
  const product = (row: string): string => emitter.emit('DynamicQuantizeMatMul', [row, ...operands], {}, 'com.microsoft');
  if (count === 1) return product(x);
  const flat = shape.length === 2 ? x : emitter.emit('Reshape', [x, emitter.integers([count, columns])]);
  const apart = emitter.emitMany('Split', [flat, emitter.integers(Array<number>(count).fill(1))], count, { axis: integer(0) });
  const made = emitter.emit('Concat', apart.map(product), { axis: integer(0) });
  return shape.length === 2 ? made : emitter.emit('Reshape', [made, emitter.integers([...shape.slice(0, -1), rows])]);
}

/** x·matrixᵀ (+ bias), x of this shape; activations are rounded to 8 bits too, those of each row by themselves. */
export function emitQuantisedProduct(emitter: Emitter, x: string, shape: Shape, operand: QuantisedOperand, bias?: string): string {
  const apart = operand.matrix.bits === 8 && sizeOf(shape.slice(0, -1)) <= mostRowsApart;
  return apart ? emitRowProducts(emitter, x, operand, shape, bias) : emitBlockProduct(emitter, x, operand, bias);
}

/** Whether a graph's node is a product with `operands`' value on its right. */
export function quantisedOperand(graph: Graph, index: number, names: readonly string[], operands: ReadonlyMap<string, QuantisedOperand>): QuantisedOperand | undefined {
  const node = nodeAt(graph, index);
  const right = node.operation === 'matMul' ? node.inputs[1] : undefined;
  return right === undefined ? undefined : operands.get(names[right] ?? '');
}
