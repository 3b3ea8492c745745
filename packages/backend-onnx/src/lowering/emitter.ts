import { type DType, type HostArray, type Shape, sizeOf } from '@tesserae/core';
import type { OnnxAttribute, OnnxInitializer, OnnxNode, OnnxType } from '../protobuf.js';

/** Collects the nodes of one ONNX graph or loop body; initializers all go to the outermost graph, which bodies can read. */
export interface Emitter {
  readonly nodes: OnnxNode[];
  /** Whether ONNX Runtime's own CPU operators may be used. */
  readonly contrib: boolean;
  /** Appends a node with one output and gives the output's name. */
  emit(type: string, inputs: readonly string[], attributes?: Readonly<Record<string, OnnxAttribute>>, domain?: OnnxNode['domain']): string;
  /** The same for nodes with several outputs. */
  emitMany(type: string, inputs: readonly string[], outputs: number, attributes?: Readonly<Record<string, OnnxAttribute>>): string[];
  /** An array of the graph as an initializer. */
  array(array: HostArray): string;
  /** Elements as an initializer of this name, made the first time that it is asked for; gives the name. */
  elements(name: string, type: OnnxType, shape: Shape, make: () => ArrayBufferView): string;
  /** Whole numbers as ONNX wants them for shapes and axes. */
  integers(values: readonly number[], shape?: Shape): string;
  /** `size` copies of a number. */
  fill(shape: Shape, dtype: DType, value: number): string;
  /** A name nobody else has. */
  name(hint: string): string;
  /** An emitter for a loop body. */
  body(): Emitter;
}

export const integer = (value: number): OnnxAttribute => ({ kind: 'integer', value });
export const integers = (value: readonly number[]): OnnxAttribute => ({ kind: 'integers', value });
export const float = (value: number): OnnxAttribute => ({ kind: 'float', value });
export const text = (value: string): OnnxAttribute => ({ kind: 'text', value });

export const onnxTypeOf: { readonly [D in DType]: OnnxType } = { float32: 'float32', int32: 'int32', bool: 'bool' };

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** `taken` are names of inputs and results, which users chose. */
export function createEmitter(initializers: OnnxInitializer[], contrib: boolean, taken: ReadonlySet<string>): Emitter {
  let count = 0;
  const known = new Map<string, string>();
  const create = (): Emitter => {
    const nodes: OnnxNode[] = [];
    const name = (hint: string): string => {
      count += 1;
      const made = `${hint}_${count}`;
      return taken.has(made) ? name(hint) : made;
    };
    const add = (type: OnnxType, shape: Shape, data: Uint8Array, key?: string): string => {
      const existing = key === undefined ? undefined : known.get(key);
      if (existing !== undefined) return existing;
      const made = name('const');
      initializers.push({ name: made, type, shape, content: { data } });
      if (key !== undefined) known.set(key, made);
      return made;
    };
    const emitter: Emitter = {
      nodes,
      contrib,
      name,
      emitMany(type, inputs, outputs, attributes = {}) {
        const made = Array.from({ length: outputs }, () => name(type.toLowerCase()));
        nodes.push({ type, domain: '', name: name('node'), inputs, outputs: made, attributes });
        return made;
      },
      emit(type, inputs, attributes = {}, domain = '') {
        const output = name(type.toLowerCase());
        nodes.push({ type, domain, name: name('node'), inputs, outputs: [output], attributes });
        return output;
      },
      array: (array) => add(onnxTypeOf[array.dtype], array.shape, bytesOf(array.data)),
      elements(own, type, shape, make) {
        if (!known.has(own)) initializers.push({ name: own, type, shape, content: { data: bytesOf(make()) } });
        known.set(own, own);
        return own;
      },
      integers: (values, shape = [values.length]) => add('int64', shape, bytesOf(BigInt64Array.from(values, (value) => BigInt(value))), `${shape}|${values}`),
      fill(shape, dtype, value) {
        const scalar = dtype === 'float32' ? bytesOf(Float32Array.of(value)) : dtype === 'int32' ? bytesOf(Int32Array.of(value)) : Uint8Array.of(value);
        const one = add(onnxTypeOf[dtype], [], scalar, `${dtype}|${value}`);
        // An empty array has no elements to expand to in ONNX Runtime: write it out.
        if (sizeOf(shape) === 0) return add(onnxTypeOf[dtype], shape, new Uint8Array(0));
        return emitter.emit('Expand', [one, emitter.integers(shape)]);
      },
      body: create,
    };
    return emitter;
  };
  return create();
}
