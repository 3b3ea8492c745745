import type { MetadataValue } from '../checkpoint.js';
import { refuseUnsafe } from '../refusal.js';
import { deepestNesting } from './find-tensors.js';
import { isKind, type PickleDictionary, type PickleValue, qualifiedName } from './values.js';

/** "A thousand laughs": a few lists that hold one another twice read as 2^40 values to whoever prints them. */
const mostValues = 1_000_000;

/** Plain bags of attributes: `args` of training scripts. */
const bags = ['argparse.Namespace', 'types.SimpleNamespace'];

interface Converted {
  /** `undefined` for tensors and for what holds nothing but tensors. */
  readonly value: MetadataValue | undefined;
  /** How many values it reads as. */
  readonly count: number;
}

/** Everything of a pickle that is no tensor, as plain values. @throws TesseraeError `file-unsafe` for nesting and repetition no checkpoint has. */
export function metadataOf(root: PickleValue, file: string): ReadonlyMap<string, MetadataValue> {
  const known = new Map<PickleValue, Converted>();
  const many = (parts: readonly Converted[]) => {
    const count = parts.reduce((sum, part) => sum + part.count, 1);
    return count > mostValues ? refuseUnsafe(file, `its lists hold one another so often that they read as more than ${mostValues} values (a thousand laughs)`) : count;
  };
  const convertList = (items: Iterable<PickleValue>, depth: number): Converted => {
    const parts = Array.from(items, (item) => convert(item, depth + 1));
    const values = parts.flatMap(({ value }) => (value === undefined ? [] : [value]));
    return { value: values.length === 0 && parts.length > 0 ? undefined : values, count: many(parts) };
  };
  const convertTable = (entries: PickleDictionary['entries'], depth: number): Converted => {
    const table = new Map<string, MetadataValue>();
    const parts: Converted[] = [];
    for (const [key, item] of entries) {
      const part = convert(item, depth + 1);
      parts.push(part);
      if (part.value !== undefined) table.set(isKind(key, 'class') ? qualifiedName(key) : String(key), part.value);
    }
    return { value: table.size === 0 && parts.length > 0 ? undefined : table, count: many(parts) };
  };
  const convertNew = (value: Exclude<PickleValue, null | boolean | number | bigint | string>, depth: number): Converted => {
    if (value instanceof Uint8Array) return { value: { opaque: `${value.length} bytes` }, count: 1 };
    switch (value.kind) {
      case 'list':
      case 'tuple':
      case 'set':
        return convertList(value.items, depth);
      case 'dictionary':
        return convertTable(value.entries, depth);
      case 'class':
        return { value: { opaque: qualifiedName(value) }, count: 1 };
      case 'object': {
        const { state } = value;
        const isBag = bags.includes(value.className) && isKind(state, 'dictionary');
        return isBag ? convertTable(state.entries, depth) : { value: { opaque: value.className }, count: 1 };
      }
      case 'element-type':
        return { value: value.dtype ?? { opaque: 'an element type' }, count: 1 };
      case 'array':
        return { value: value.content === undefined ? { opaque: 'an array of a type that is not read' } : undefined, count: 1 };
      case 'storage':
      case 'tensor':
        return { value: undefined, count: 1 };
      default:
        return value satisfies never;
    }
  };
  const convert = (value: PickleValue, depth: number): Converted => {
    if (value === null || typeof value !== 'object') return { value, count: 1 };
    const before = known.get(value);
    if (before !== undefined) return before;
    if (depth > deepestNesting) return refuseUnsafe(file, `its values are nested deeper than ${deepestNesting} levels`);
    // While it is being converted: a cycle ends here.
    known.set(value, { value: { opaque: 'a value that holds itself' }, count: 1 });
    const converted = convertNew(value, depth);
    known.set(value, converted);
    return converted;
  };
  // Of a whole module its own plain attributes: sizes and options, not hooks.
  if (isKind(root, 'object') && isKind(root.state, 'dictionary')) {
    const own = Array.from(root.state.entries).filter(([name, value]) => typeof name === 'string' && !name.startsWith('_') && (value === null || typeof value !== 'object'));
    const { value } = convertTable(new Map(own), 0);
    return value instanceof Map ? value : new Map();
  }
  const { value } = isKind(root, 'dictionary') ? convert(root, 0) : { value: undefined };
  return value instanceof Map ? value : new Map();
}
