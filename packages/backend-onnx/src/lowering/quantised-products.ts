import { type Graph, nodeAt, type QuantisedMatrix, type Shape, sizeOf } from '@tesserae/core';
import { type OnnxType, onnxTypes } from '../protobuf.js';
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

/** x·matrixᵀ (+ bias) for blocks of codes: the operator multiplies 8-bit blocks of x, rounded row by row (accuracy level 4: the fast one on CPUs). */
function emitBlockProduct(emitter: Emitter, x: string, { matrix, name }: QuantisedOperand, bias?: string): string {
  const { rows, columns, bits, block, codes, scales } = matrix;
  const blocks = Math.ceil(columns / block);
  const operands = [
    emitter.elements(`${name}:codes`, 'uint8', [rows, blocks, (block * bits) / 8], () => codes),
    emitter.elements(`${name}:scales`, 'float32', [rows, blocks], () => scales),
  ];
  const attributes = { K: integer(columns), N: integer(rows), bits: integer(bits), block_size: integer(block), accuracy_level: integer(4) };
  return emitter.emit('MatMulNBits', [x, ...operands, ...(bias === undefined ? [] : ['', '', bias])], attributes, 'com.microsoft');
}

/** Codes [rows, columns] around 128 as signed numbers [columns, rows]. */
function transposedCodes({ rows, columns, codes }: QuantisedMatrix): Int8Array {
  const moved = new Int8Array(rows * columns);
  for (let row = 0; row < rows; row += 1) for (let column = 0; column < columns; column += 1) moved[column * rows + row] = (codes[row * columns + column] ?? 128) - 128;
  return moved;
}

/** Sums of each row's codes. */
function sumsOfCodes({ rows, columns, codes }: QuantisedMatrix): Int32Array {
  const sums = new Int32Array(rows).fill(-128 * columns);
  for (let row = 0; row < rows; row += 1) for (let column = 0; column < columns; column += 1) sums[row] = (sums[row] ?? 0) + (codes[row * columns + column] ?? 128);
  return sums;
}

/** The codes and scales of a matrix with one scale a row, as the operators on whole numbers take them. */
function emitRowCodes(emitter: Emitter, { matrix, name }: QuantisedOperand): { readonly codes: string; readonly scales: string } {
  const { rows, columns, scales } = matrix;
  return {
    codes: emitter.elements(`${name}:codes`, 'int8', [columns, rows], () => transposedCodes(matrix)),
    scales: emitter.elements(`${name}:scales`, 'float32', [rows], () => scales),
  };
}

/** Up to this many rows each is multiplied alone. */
const mostRowsApart = 8;

/**
 * Few rows, one by one: the operator finds one scale for all that it is given, and a candidate may not depend on those beside it. It is still quicker than
 * `MatMulNBits`: 1.2 to 1.7 times for one row, twice for 8, which meet the matrix in a cache (2 cores, AVX2, ONNX Runtime 1.30).
 */
function emitRowProducts(emitter: Emitter, x: string, operand: QuantisedOperand, count: number, bias: string | undefined): string {
  const { codes, scales } = emitRowCodes(emitter, operand);
  const product = (row: string): string => emitter.emit('DynamicQuantizeMatMul', [row, codes, scales, ...(bias === undefined ? [] : ['', bias])], {}, 'com.microsoft');
  if (count === 1) return product(x);
  const apart = emitter.emitMany('Split', [x, emitter.integers(Array<number>(count).fill(1))], count, { axis: integer(0) });
  return emitter.emit('Concat', apart.map(product), { axis: integer(0) });
}

/** Many rows at once, the same numbers as one by one up to the last rounding: each rounded to 0 … 255 by its own smallest and largest, as `DynamicQuantizeLinear` does it. */
function emitProductOfRows(emitter: Emitter, x: string, operand: QuantisedOperand, bias: string | undefined): string {
  const number = (value: number): string => emitter.fill([], 'float32', value);
  const within = (value: string): string => emitter.emit('Clip', [value, number(0), number(255)]);
  const last = [emitter.integers([-1])];
  const least = emitter.emit('Min', [emitter.emit('ReduceMin', [x, ...last], { keepdims: integer(1) }), number(0)]);
  const most = emitter.emit('Max', [emitter.emit('ReduceMax', [x, ...last], { keepdims: integer(1) }), number(0)]);
  // A row of zeros has no range.
  const step = emitter.emit('Max', [emitter.emit('Div', [emitter.emit('Sub', [most, least]), number(255)]), number(1e-37)]);
  const zero = emitter.emit('Round', [within(emitter.emit('Neg', [emitter.emit('Div', [least, step])]))]);
  const rounded = within(emitter.emit('Add', [emitter.emit('Round', [emitter.emit('Div', [x, step])]), zero]));
  const as = (value: string, type: OnnxType): string => emitter.emit('Cast', [value], { to: integer(onnxTypes[type]) });

  const { codes, scales } = emitRowCodes(emitter, operand);
  const { matrix, name } = operand;
  const sums = emitter.elements(`${name}:sums`, 'int32', [matrix.rows], () => sumsOfCodes(matrix));
  const products = emitter.emit('MatMulInteger', [as(rounded, 'uint8'), codes]);
  const counted = emitter.emit('Sub', [products, emitter.emit('Mul', [as(zero, 'int32'), sums])]);
  const made = emitter.emit('Mul', [as(counted, 'float32'), emitter.emit('Mul', [step, scales])]);
  return bias === undefined ? made : emitter.emit('Add', [made, bias]);
}

/** x·matrixᵀ (+ bias), x of this shape; activations are rounded to 8 bits too, those of each row by themselves. */
export function emitQuantisedProduct(emitter: Emitter, x: string, shape: Shape, operand: QuantisedOperand, bias?: string): string {
  const { bits, rows, columns } = operand.matrix;
  if (bits === 4) return emitBlockProduct(emitter, x, operand, bias);
  const count = sizeOf(shape.slice(0, -1));
  const flat = shape.length === 2 ? x : emitter.emit('Reshape', [x, emitter.integers([count, columns])]);
  const made = count <= mostRowsApart ? emitRowProducts(emitter, flat, operand, count, bias) : emitProductOfRows(emitter, flat, operand, bias);
  return shape.length === 2 ? made : emitter.emit('Reshape', [made, emitter.integers([...shape.slice(0, -1), rows])]);
}

/** Whether a graph's node is a product with `operands`' value on its right. */
export function quantisedOperand(graph: Graph, index: number, names: readonly string[], operands: ReadonlyMap<string, QuantisedOperand>): QuantisedOperand | undefined {
  const node = nodeAt(graph, index);
  const right = node.operation === 'matMul' ? node.inputs[1] : undefined;
  return right === undefined ? undefined : operands.get(names[right] ?? '');
}
