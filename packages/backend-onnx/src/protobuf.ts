/**
 * The few protobuf messages an ONNX file is made of, written directly: a schema compiler and its runtime would be
 * larger than the whole backend. Field numbers are those of onnx.proto (IR version 9).
 */

/** A message of parts, none of which is copied before the whole is written: weights are large. */
interface Message {
  readonly length: number;
  readonly parts: readonly Bytes[];
}

type Bytes = Uint8Array | Message;

const encoder = new TextEncoder();

function varint(value: number | bigint): number[] {
  // Nearly all are small: a model is opened the sooner.
  if (typeof value === 'number' && value >= 0 && value < 0x80) return [value];
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return bytes;
}

function join(parts: readonly Bytes[]): Message {
  let length = 0;
  for (const part of parts) length += part.length;
  return { length, parts };
}

function flatten(bytes: Bytes): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(bytes.length);
  let offset = 0;
  const write = (part: Bytes): void => {
    if ('parts' in part) {
      part.parts.forEach(write);
      return;
    }
    out.set(part, offset);
    offset += part.length;
  };
  write(bytes);
  return out;
}

const integer = (field: number, value: number | bigint): Bytes => new Uint8Array([...varint(field << 3), ...varint(value)]);
const message = (field: number, value: Bytes): Bytes => join([new Uint8Array([...varint((field << 3) | 2), ...varint(value.length)]), value]);
const text = (field: number, value: string): Bytes => message(field, encoder.encode(value));

function float(field: number, value: number): Bytes {
  const out = new Uint8Array(5);
  out[0] = (field << 3) | 5;
  new DataView(out.buffer).setFloat32(1, value, true);
  return out;
}

/** ONNX's numbers for element types. */
export const onnxTypes = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9 } as const;
export type OnnxType = keyof typeof onnxTypes;

export type OnnxAttribute =
  | { readonly kind: 'integer'; readonly value: number }
  | { readonly kind: 'integers'; readonly value: readonly number[] }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'graph'; readonly value: OnnxGraph };

export interface OnnxNode {
  readonly type: string;
  /** '' is ai.onnx. */
  readonly domain: '' | 'com.microsoft';
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

export interface OnnxValue {
  readonly name: string;
  readonly type: OnnxType;
  readonly shape: readonly number[];
}

export interface OnnxInitializer extends OnnxValue {
  /** The elements, little-endian; or where they lie in another file. */
  readonly content: { readonly data: Uint8Array } | { readonly file: string; readonly byteOffset: number; readonly byteLength: number };
}

export interface OnnxGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly initializers: readonly OnnxInitializer[];
}

function valueInfo(value: OnnxValue): Bytes {
  const dimensions = join(value.shape.map((size) => message(1, integer(1, size))));
  const tensorType = join([integer(1, onnxTypes[value.type]), message(2, dimensions)]);
  return join([text(1, value.name), message(2, message(1, tensorType))]);
}

function initializer({ name, type, shape, content }: OnnxInitializer): Bytes {
  const head = [...shape.map((size) => integer(1, size)), integer(2, onnxTypes[type]), text(8, name)];
  if ('data' in content) return join([...head, message(9, content.data)]);
  const entry = (key: string, value: string | number): Bytes => message(13, join([text(1, key), text(2, String(value))]));
  return join([...head, entry('location', content.file), entry('offset', content.byteOffset), entry('length', content.byteLength), integer(14, 1)]);
}

function attribute(name: string, { kind, value }: OnnxAttribute): Bytes {
  switch (kind) {
    case 'float':
      return join([text(1, name), float(2, value), integer(20, 1)]);
    case 'integer':
      return join([text(1, name), integer(3, value), integer(20, 2)]);
    case 'text':
      return join([text(1, name), text(4, value), integer(20, 3)]);
    case 'graph':
      return join([text(1, name), message(6, graphProto(value)), integer(20, 5)]);
    case 'integers':
      return join([text(1, name), ...value.map((item) => integer(8, item)), integer(20, 7)]);
    default:
      return kind satisfies never;
  }
}

function nodeProto(node: OnnxNode): Bytes {
  return join([
    ...node.inputs.map((input) => text(1, input)),
    ...node.outputs.map((output) => text(2, output)),
    text(3, node.name),
    text(4, node.type),
    ...Object.entries(node.attributes).map(([name, value]) => message(5, attribute(name, value))),
    ...(node.domain === '' ? [] : [text(7, node.domain)]),
  ]);
}

function graphProto(graph: OnnxGraph): Bytes {
  return join([
    ...graph.nodes.map((node) => message(1, nodeProto(node))),
    text(2, graph.name),
    ...graph.initializers.map((item) => message(5, initializer(item))),
    ...graph.inputs.map((value) => message(11, valueInfo(value))),
    ...graph.outputs.map((value) => message(12, valueInfo(value))),
  ]);
}

/** Whether any operator, in loop bodies too, is ONNX Runtime's own. */
function usesContrib({ nodes }: OnnxGraph): boolean {
  return nodes.some(({ domain, attributes }) => domain === 'com.microsoft' || Object.values(attributes).some(({ kind, value }) => kind === 'graph' && usesContrib(value)));
}

/** A whole model: opset 20 of ai.onnx and, only where it is used, version 1 of ONNX Runtime's own operators. */
export function encodeModel(graph: OnnxGraph): Uint8Array<ArrayBuffer> {
  const opset = (domain: string, version: number): Bytes => message(8, join([text(1, domain), integer(2, version)]));
  return flatten(join([integer(1, 9), text(2, 'tesserae'), message(7, graphProto(graph)), opset('', 20), ...(usesContrib(graph) ? [opset('com.microsoft', 1)] : [])]));
}
