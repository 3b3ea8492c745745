import { type Graph, leavesOf, nodeAt, type OperationAttributes, type QuantisedMatrix, type TensorType } from '@tesserae/core';
import { type OnnxGraph, type OnnxInitializer, type OnnxValue, onnxTypes } from '../protobuf.js';
import { createEmitter, type Emitter, integer, onnxTypeOf } from './emitter.js';
import { findFusions, type SplitPart } from './fusions.js';
import { type LoweredName, lowerOperation } from './operations.js';
import { emitQuantisedProduct, type QuantisedOperand, quantisedOperand } from './quantised-products.js';
import type { SliceUpdate } from './slice-updates.js';

/** How leaves and results are called in the ONNX graph. Users of exported files see inputs and results by their own names. */
export const onnxNames = {
  input: (name: string): string => name,
  state: (name: string): string => `state:${name}`,
  constant: (name: string): string => `constant:${name}`,
  update: (name: string): string => `update:${name}`,
  /** Where along its axis an update that is a part of a state begins. */
  start: (name: string): string => `start:${name}`,
} as const;

/** Matrices of codes by the ONNX name of the constant they stand for. */
type QuantisedOperands = ReadonlyMap<string, QuantisedOperand>;

function lowerLoop(emitter: Emitter, attributes: OperationAttributes['loop'], inputs: readonly string[], quantised: QuantisedOperands): string[] {
  const { body, count, carried } = attributes;
  const inner = emitter.body();
  const names = new Map<string, string>();
  const [rawIteration, condition] = [emitter.name('iteration'), emitter.name('condition')];
  const carriedTypes = body.outputs.slice(0, carried).map(({ node }) => nodeAt(body, node));
  const carriedIn = carriedTypes.map(() => emitter.name('carried'));
  names.set('iteration', inner.emit('Cast', [rawIteration], { to: integer(onnxTypes.int32) }));
  carriedIn.forEach((name, index) => names.set(`carried.${index}`, name));
  inputs.slice(carried).forEach((name, index) => names.set(`captured.${index}`, name));
  const values = lowerNodes(inner, body, (name) => names.get(name) ?? name, quantised);
  const value = (name: string, type: TensorType): OnnxValue => ({ name, type: onnxTypeOf[type.dtype], shape: type.shape });
  // A value made in the body leaves it as it is. What comes from outside, or leaves twice, needs a name of its own.
  const free = new Set(inner.nodes.flatMap((node) => node.outputs));
  const outputs = body.outputs.map(({ node }) => {
    const made = values[node] ?? '';
    return { name: free.delete(made) ? made : inner.emit('Identity', [made]), type: nodeAt(body, node) };
  });
  const goOn = inner.emit('Identity', [condition]);
  const graph: OnnxGraph = {
    name: emitter.name('body'),
    nodes: inner.nodes,
    initializers: [],
    inputs: [
      { name: rawIteration, type: 'int64', shape: [] },
      { name: condition, type: 'bool', shape: [] },
      ...carriedIn.map((name, index) => value(name, carriedTypes[index] ?? { shape: [], dtype: 'float32' })),
    ],
    outputs: [{ name: goOn, type: 'bool', shape: [] }, ...outputs.map(({ name, type }) => value(name, type))],
  };
  return emitter.emitMany('Loop', [emitter.integers([count], []), '', ...inputs.slice(0, carried)], body.outputs.length, { body: { kind: 'graph', value: graph } });
}

/** Lowers every node but those `left` out, whose values nobody reads; gives the ONNX name of each node's value. */
function lowerNodes(emitter: Emitter, graph: Graph, inputName: (name: string) => string, quantised: QuantisedOperands, left: ReadonlySet<number> = new Set()): string[] {
  const names: string[] = [];
  const loops = new Map<number, string[]>();
  const { splits, biasedProducts, absorbed } = findFusions(graph);
  const parts = new Map<string, string[]>();
  const splitPart = ({ source, axis, sizes, part }: SplitPart): string => {
    const key = `${source}|${axis}`;
    const all = parts.get(key) ?? emitter.emitMany('Split', [names[source] ?? '', emitter.integers(sizes)], sizes.length, { axis: integer(axis) });
    parts.set(key, all);
    return all[part] ?? '';
  };
  graph.nodes.forEach((node, index) => {
    const [part, product] = [splits.get(index), biasedProducts.get(index)];
    if (part !== undefined) {
      names.push(splitPart(part));
      return;
    }
    if (product !== undefined) {
      const { a, b, bias, transposeA, transposeB } = product;
      const operands = [a, b, bias].map((operand) => names[operand] ?? '');
      const [left = '', right = '', added] = operands;
      const matrix = quantised.get(right);
      if (matrix !== undefined) {
        names.push(emitQuantisedProduct(emitter, left, nodeAt(graph, a).shape, matrix, added));
        return;
      }
      names.push(emitter.emit('Gemm', operands, { transA: integer(transposeA ? 1 : 0), transB: integer(transposeB ? 1 : 0) }));
      return;
    }
    if (absorbed.has(index) || left.has(index)) {
      names.push('');
      return;
    }
    const inputs = node.inputs.map((input) => names[input] ?? '');
    const matrix = quantisedOperand(graph, index, names, quantised);
    if (matrix !== undefined) {
      names.push(emitQuantisedProduct(emitter, inputs[0] ?? '', nodeAt(graph, node.inputs[0] ?? 0).shape, matrix));
      return;
    }
    switch (node.operation) {
      case 'input':
        names.push(inputName(node.attributes.name));
        break;
      case 'state':
        names.push(onnxNames.state(node.attributes.name));
        break;
      case 'constant':
        names.push(onnxNames.constant(node.attributes.name));
        break;
      case 'loop':
        loops.set(index, lowerLoop(emitter, node.attributes, inputs, quantised));
        names.push('');
        break;
      case 'loopResult':
        names.push(loops.get(node.inputs[0] ?? -1)?.[node.attributes.index] ?? '');
        break;
      default:
        names.push(
          lowerOperation(node.operation as LoweredName, {
            emitter,
            inputs,
            inputTypes: node.inputs.map((input) => nodeAt(graph, input)),
            type: { shape: node.shape, dtype: node.dtype },
            attributes: node.attributes,
          }),
        );
    }
  });
  return names;
}

/** Where a constant's elements are; or, for one of `productConstants`, the codes that stand for it. */
export type ConstantContent = OnnxInitializer['content'] | { readonly quantised: QuantisedMatrix };

export interface LowerOptions {
  readonly contrib: boolean;
  /** Updates that the graph gives as a part and its beginning (`onnxNames.start`), for the caller to write. Default: none. */
  readonly sliceUpdates?: ReadonlyMap<string, SliceUpdate>;
}

/** A prepared graph as an ONNX graph. */
export function lowerGraph(graph: Graph, constants: (name: string) => ConstantContent, options: LowerOptions): OnnxGraph {
  const quantised = new Map<string, QuantisedOperand>();
  const initializers = leavesOf(graph, 'constant').flatMap(({ name: own, shape, dtype }): readonly OnnxInitializer[] => {
    const content = constants(own);
    const name = onnxNames.constant(own);
    if (!('quantised' in content)) return [{ name, type: onnxTypeOf[dtype], shape, content }];
    // Each product brings the codes as its operator wants them.
    quantised.set(name, { name, matrix: content.quantised });
    return [];
  });
  const inputNames = new Set(leavesOf(graph, 'input').map(({ name }) => name));
  const emitter = createEmitter(initializers, options.contrib, new Set([...inputNames, ...graph.outputs.map(({ name }) => name)]));
  // ONNX Runtime runs an operator even if nothing reads its result.
  const left = new Set(graph.updates.flatMap(({ name, node }) => (options.sliceUpdates?.has(name) ? [node] : [])));
  const names = lowerNodes(emitter, graph, onnxNames.input, quantised, left);
  const outputs: OnnxValue[] = [];
  const result = (name: string, index: number): void => {
    const node = nodeAt(graph, index);
    // Through Identity: a result may be a leaf, or be given twice.
    emitter.nodes.push({ type: 'Identity', domain: '', name: emitter.name('node'), inputs: [names[index] ?? ''], outputs: [name], attributes: {} });
    outputs.push({ name, type: onnxTypeOf[node.dtype], shape: node.shape });
  };
  // A result called like an input would be the same ONNX value.
  for (const { name, node } of graph.outputs) result(inputNames.has(name) ? `result:${name}` : name, node);
  for (const { name, node } of graph.updates) {
    const slice = options.sliceUpdates?.get(name);
    result(onnxNames.update(name), slice?.part ?? node);
    if (slice !== undefined) result(onnxNames.start(name), slice.start);
  }
  const leaf = (kind: 'input' | 'state'): OnnxValue[] => leavesOf(graph, kind).map(({ name, shape, dtype }) => ({ name: onnxNames[kind](name), type: onnxTypeOf[dtype], shape }));
  return { name: graph.name, nodes: emitter.nodes, inputs: [...leaf('input'), ...leaf('state')], outputs, initializers };
}

/** The ONNX name of a graph's result. */
export function resultName(graph: Graph, name: string): string {
  return leavesOf(graph, 'input').some((leaf) => leaf.name === name) ? `result:${name}` : name;
}
