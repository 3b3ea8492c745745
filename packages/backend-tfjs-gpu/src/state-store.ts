import { formatShape, type HostArray, type NamedType, type StateStore, sameShape, TesseraeError } from '@tesserae/core';
import type { Lifetime } from './lifetime.js';
import { download, type Tf, type TfTensor, upload } from './tensorflow.js';

/** State on the device, as programs see it. */
export interface DeviceState {
  readonly store: StateStore;
  /** The tensor stays the store's. @throws TesseraeError `resource-disposed`. */
  tensor(name: string): TfTensor;
  /** Takes new values, all or none. @throws TesseraeError `resource-disposed`, and then takes none. */
  commit(values: ReadonlyMap<string, TfTensor>): void;
}

/** Uploads values that stay on the device until the store, or the lifetime it belongs to, is disposed. */
export function createDeviceState(tf: Tf, activate: () => void, lifetime: Lifetime, initial: ReadonlyMap<string, HostArray>): DeviceState {
  activate();
  const tensors = new Map<string, TfTensor>();
  const types = new Map<string, NamedType>(Array.from(initial, ([name, { shape, dtype }]) => [name, { name, shape, dtype }] as const));
  const free = (): void => {
    for (const tensor of tensors.values()) tensor.dispose();
    tensors.clear();
  };
  let disposed = false;
  const handle = lifetime.adopt(() => {
    disposed = true;
    free();
  });
  try {
    for (const [name, array] of initial) tensors.set(name, upload(tf, array));
  } catch (cause) {
    handle.dispose();
    throw cause;
  }

  const check = (): void => {
    if (disposed) throw new TesseraeError('resource-disposed', 'The state was disposed.', { remedy: 'Create it again, and dispose it after the programs that use it.' });
  };
  const typeOf = (name: string): NamedType => {
    const type = types.get(name);
    if (type !== undefined) return type;
    throw new TesseraeError('invalid-argument', `There is no state '${name}'.`, { remedy: `It holds ${[...types.keys()].slice(0, 5).join(', ') || 'nothing'}.` });
  };
  const tensor = (name: string): TfTensor => {
    check();
    const found = tensors.get(typeOf(name).name);
    if (found === undefined) throw new RangeError(`state '${name}' has a type but no value`);
    return found;
  };
  const commit = (values: ReadonlyMap<string, TfTensor>): void => {
    check();
    for (const [name, value] of values) {
      tensors.get(name)?.dispose();
      tensors.set(name, value);
    }
  };

  const store: StateStore = {
    types,
    async read(name) {
      const current = tensor(name);
      activate();
      // A program may replace the value while it is on its way: keep a handle to this one.
      const copy = tf.clone(current);
      try {
        return await download(copy, name);
      } finally {
        copy.dispose();
      }
    },
    async write(name, value) {
      check();
      const { shape, dtype } = typeOf(name);
      if (value.dtype !== dtype) throw new TesseraeError('dtype-mismatch', `State '${name}' is ${dtype}, not ${value.dtype}.`, { remedy: `Write a ${dtype} array.` });
      if (!sameShape(value.shape, shape)) {
        throw new TesseraeError('shape-mismatch', `State '${name}' is ${formatShape(shape)}, not ${formatShape(value.shape)}.`, { remedy: 'The shape of state does not change.' });
      }
      activate();
      commit(new Map([[name, upload(tf, value)]]));
    },
    dispose: () => handle.dispose(),
  };
  return { store, tensor, commit };
}
