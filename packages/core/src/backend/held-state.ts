import { TesseraeError } from '../errors/index.js';
import type { NamedType } from '../graph/index.js';
import type { HostArray } from '../tensor/index.js';
import type { StateStore } from './backend.js';

/** How an engine keeps one value of a store. */
export interface StateValues<Value> {
  fromHost(array: HostArray): Value;
  toHost(value: Value, name: string): HostArray;
}

/** A state store and what the engine's programs see of it. */
export interface HeldState<Value> {
  readonly store: StateStore;
  /** The values by name, to be read and replaced. @throws TesseraeError `resource-disposed`. */
  values(): Map<string, Value>;
}

/** A state store of an engine whose values need no freeing: dropping them is enough. */
export function holdState<Value>(initial: ReadonlyMap<string, HostArray>, { fromHost, toHost }: StateValues<Value>): HeldState<Value> {
  const held = new Map(Array.from(initial, ([name, array]) => [name, fromHost(array)] as const));
  const types = new Map<string, NamedType>(Array.from(initial, ([name, { shape, dtype }]) => [name, { name, shape, dtype }] as const));
  let disposed = false;
  const values = (): Map<string, Value> => {
    if (disposed) throw new TesseraeError('resource-disposed', 'The state store was disposed.', { remedy: 'Create it again, and dispose it last.' });
    return held;
  };
  return {
    values,
    store: {
      types,
      async read(name) {
        const value = values().get(name);
        if (value === undefined) {
          throw new TesseraeError('invalid-argument', `There is no state '${name}'.`, { remedy: `It holds ${[...types.keys()].slice(0, 5).join(', ') || 'nothing'}.` });
        }
        return toHost(value, name);
      },
      async write(name, value) {
        values().set(name, fromHost(value));
      },
      dispose() {
        disposed = true;
        held.clear();
      },
    },
  };
}
