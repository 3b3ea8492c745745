import { type HeldState, type HostArray, holdState, TesseraeError } from '@tesserae/core';
import type { Tensor } from 'onnxruntime-common';
import { type OnnxRuntime, toHostArray, toRuntimeTensor } from './runtime.js';

/** What a run makes of one value of the state: a new one, or a part of it from `start` on along `axis`. */
export interface TensorUpdate {
  readonly name: string;
  readonly value: Tensor;
  readonly slice?: { readonly start: number; readonly axis: number };
}

/**
 * State between runs, in memory that the engine reads without copying it. A new value takes the place of an old one; a
 * part of one is written into it where nobody else looks at that memory, and into a copy otherwise.
 */
export interface HeldTensors extends HeldState<Tensor> {
  /** Counts the values as being read until `release`. */
  acquire(values: Iterable<Tensor>): void;
  release(values: Iterable<Tensor>): void;
  /** All or none. @throws TesseraeError `backend-failure` when a part does not fit where it begins. */
  update(updates: readonly TensorUpdate[]): void;
}

/** Copies `part` into `whole` from `start` on along `axis`; both are row-major. */
function writeSlice(whole: HostArray, part: HostArray, start: number, axis: number): void {
  const inner = whole.shape.slice(axis + 1).reduce((size, length) => size * length, 1);
  const [stride, block] = [(whole.shape[axis] ?? 0) * inner, (part.shape[axis] ?? 0) * inner];
  for (let index = 0; index * block < part.data.length; index += 1) {
    whole.data.set(part.data.subarray(index * block, (index + 1) * block), index * stride + start * inner);
  }
}

export function holdTensors(runtime: OnnxRuntime, initial: ReadonlyMap<string, HostArray>): HeldTensors {
  /** Values whose memory only this store and running programs see. */
  const own = new WeakSet<Tensor>();
  const readers = new WeakMap<Tensor, number>();
  const held = holdState<Tensor>(initial, {
    fromHost: (array) => toRuntimeTensor(runtime, array),
    toHost(tensor, name) {
      own.delete(tensor);
      return toHostArray(tensor, name);
    },
  });
  const count = (values: Iterable<Tensor>, by: number): void => {
    for (const value of values) readers.set(value, (readers.get(value) ?? 0) + by);
  };
  const check = ({ name, value, slice }: TensorUpdate): void => {
    if (slice === undefined) return;
    const length = held.store.types.get(name)?.shape[slice.axis] ?? 0;
    const part = value.dims[slice.axis] ?? 0;
    if (slice.start >= 0 && slice.start + part <= length) return;
    throw new TesseraeError('backend-failure', `A part of length ${part} was to be written at ${slice.start} of the ${length} of state '${name}'.`, {
      remedy: 'Give positions within the state.',
      details: { name, start: slice.start },
    });
  };
  return {
    ...held,
    acquire: (values) => count(values, 1),
    release: (values) => count(values, -1),
    update(updates) {
      updates.forEach(check);
      const values = held.values();
      for (const { name, value, slice } of updates) {
        const known = values.get(name);
        if (slice === undefined || known === undefined) {
          own.add(value);
          values.set(name, value);
          continue;
        }
        const whole = toHostArray(known, name);
        const isFree = own.has(known) && (readers.get(known) ?? 0) === 0;
        const written = isFree ? known : toRuntimeTensor(runtime, { ...whole, data: whole.data.slice() } as HostArray);
        writeSlice(toHostArray(written, name), toHostArray(value, name), slice.start, slice.axis);
        own.add(written);
        values.set(name, written);
      }
    },
  };
}
