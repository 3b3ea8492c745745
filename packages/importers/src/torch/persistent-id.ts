import { type CallContext, storageType } from '../pickle/globals.js';
import { describeValue, isKind, type PickleValue, qualifiedName, type StorageReference } from '../pickle/values.js';

function count(value: PickleValue | undefined, what: string, context: CallContext): number {
  const number = typeof value === 'bigint' ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : context.damaged(`has a storage with the ${what} ${String(value).slice(0, 50)}`);
}

/**
 * Torch's persistent ids (torch/serialization.py, `persistent_id`): ('storage', class, key, device, elements), in legacy
 * files with a sixth field, a view (key, offset, elements) or None, and there also ('module', class, file, source text).
 * The device (`cuda:0`) says where it once was and is ignored; so is the source text.
 * @returns what the id stands for. @throws through `context` for anything else.
 */
export function resolvePersistentId(id: PickleValue, context: CallContext): StorageReference | PickleValue {
  if (!isKind(id, 'tuple')) return context.damaged(`refers to ${describeValue(id)} outside of itself`);
  const [kind, type, key, , elements, view] = id.items;
  if (!isKind(type, 'class')) return context.damaged('refers to data of no class outside of itself');
  if (kind === 'module') return type;
  if (kind !== 'storage') return context.damaged(`refers to ${typeof kind === 'string' ? `'${kind.slice(0, 50)}'` : describeValue(kind ?? null)} outside of itself`);
  const dtype = storageType(type);
  if (dtype === undefined) return context.damaged(`has a storage of class '${qualifiedName(type)}', which is not read`);
  // Old files use the storage's address, a number, as its key.
  const keyText = typeof key === 'string' ? key : typeof key === 'number' || typeof key === 'bigint' ? String(key) : context.damaged('has a storage without a key');
  const part = isKind(view, 'tuple') ? view.items : undefined;
  return {
    kind: 'storage',
    key: keyText,
    dtype: dtype === 'untyped' ? undefined : dtype,
    elements: count(elements, 'size', context),
    view: part === undefined ? undefined : { offset: count(part[1], 'view offset', context), elements: count(part[2], 'view size', context) },
  };
}
