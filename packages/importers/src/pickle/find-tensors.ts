import { refuseDamaged, refuseUnsafe } from '../refusal.js';
import { type ArrayRecord, type PickleValue, qualifiedName, type TensorRecord } from './values.js';

export interface FoundTensor {
  readonly path: readonly string[];
  readonly record: TensorRecord | ArrayRecord;
}

/** A module tree nests five levels a module; nobody nests a hundred modules. Recursion stays far from the stack's end. */
export const deepestNesting = 500;
const mostTensors = 200_000;

type Container = Exclude<PickleValue, null | boolean | number | bigint | string | Uint8Array>;

function isContainer(value: PickleValue): value is Container {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array);
}

/** An array without content is of a type that is not read. */
function isTensor(value: Container): value is TensorRecord | ArrayRecord {
  return value.kind === 'tensor' || (value.kind === 'array' && value.content !== undefined);
}

/** How a key reads in a path. */
function keyText(key: PickleValue): string {
  if (typeof key === 'string') return key;
  if (typeof key === 'number' || typeof key === 'bigint' || typeof key === 'boolean' || key === null) return String(key);
  if (!isContainer(key)) return 'bytes';
  if (key.kind === 'class') return qualifiedName(key);
  return key.kind === 'tuple' ? key.items.map((item) => (isContainer(item) ? 'key' : keyText(item))).join(',') : key.kind;
}

function attribute(state: PickleValue, name: string): PickleValue | undefined {
  return isContainer(state) && state.kind === 'dictionary' ? state.entries.get(name) : undefined;
}

function* entriesOf(value: PickleValue | undefined): Generator<readonly [string, PickleValue]> {
  if (value === undefined || !isContainer(value)) return;
  if (value.kind === 'dictionary') for (const [key, item] of value.entries) yield [keyText(key), item];
  if (value.kind === 'list' || value.kind === 'tuple' || value.kind === 'set') {
    let position = 0;
    for (const item of value.items) yield [String(position++), item];
  }
}

/**
 * What can be reached from a value, with the path's next part. A `torch.nn.Module` (it has `_parameters`, `_buffers` and
 * `_modules`: torch/nn/modules/module.py) shows what its `state_dict()` would, in that order; any other object its
 * attributes and its content.
 */
function* childrenOf(value: Container): Generator<readonly [string, PickleValue]> {
  if (value.kind !== 'object') {
    yield* entriesOf(value);
    return;
  }
  const parameters = attribute(value.state, '_parameters');
  const modules = attribute(value.state, '_modules');
  if (parameters !== undefined && modules !== undefined) {
    yield* entriesOf(parameters);
    const skipped = attribute(value.state, '_non_persistent_buffers_set');
    const isSkipped = (name: string) => skipped !== undefined && isContainer(skipped) && skipped.kind === 'set' && skipped.items.has(name);
    for (const [name, buffer] of entriesOf(attribute(value.state, '_buffers'))) if (!isSkipped(name)) yield [name, buffer];
    yield* entriesOf(modules);
    return;
  }
  // A class with slots keeps (attributes, slots).
  const { state } = value;
  if (isContainer(state) && state.kind === 'tuple') for (const part of state.items) yield* entriesOf(part);
  else yield* entriesOf(state);
  for (const [key, item] of value.entries) yield [keyText(key), item];
  yield* entriesOf({ kind: 'list', items: value.items });
}

/**
 * All tensors below a value, with their paths. Shared containers are walked once for every path that leads to them, as
 * their module would be, but only if they hold a tensor; a container that holds itself is not walked into again.
 * @throws TesseraeError `file-unsafe` for nesting and numbers no checkpoint has.
 */
export function findTensors(root: PickleValue, file: string): FoundTensor[] {
  const known = new Map<Container, boolean>();
  const holdsTensor = (value: PickleValue, depth: number): boolean => {
    if (!isContainer(value)) return false;
    if (isTensor(value)) return true;
    const before = known.get(value);
    if (before !== undefined) return before;
    if (depth > deepestNesting) return refuseUnsafe(file, `its values are nested deeper than ${deepestNesting} levels`);
    // While it is being looked through: a cycle adds nothing.
    known.set(value, false);
    let holds = false;
    for (const [, child] of childrenOf(value)) holds = holdsTensor(child, depth + 1) || holds;
    known.set(value, holds);
    return holds;
  };
  const found: FoundTensor[] = [];
  const path: string[] = [];
  const ancestors = new Set<Container>();
  const visit = (value: PickleValue): void => {
    if (!isContainer(value) || ancestors.has(value)) return;
    if (isTensor(value)) {
      if (found.length >= mostTensors) refuseUnsafe(file, `it names more than ${mostTensors} tensors`);
      found.push({ path: [...path], record: value });
      return;
    }
    if (!holdsTensor(value, path.length)) return;
    ancestors.add(value);
    for (const [part, child] of childrenOf(value)) {
      path.push(part);
      visit(child);
      path.pop();
    }
    ancestors.delete(value);
  };
  visit(root);
  const names = new Set<string>();
  for (const { path: parts } of found) {
    const name = parts.join('.');
    if (names.has(name)) refuseDamaged(file, `two tensors are named '${name}'`);
    names.add(name);
  }
  return found;
}
