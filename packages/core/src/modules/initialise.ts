import { deriveKey, type Key, normalArray, uniformArray } from '../random/index.js';
import { float32Array, type HostArray, sizeOf } from '../tensor/index.js';
import type { ParameterSpec } from './parameters.js';

function values(spec: ParameterSpec, key: Key): Float32Array {
  const size = sizeOf(spec.shape);
  const { initializer } = spec;
  switch (initializer.kind) {
    case 'zeros':
      return new Float32Array(size);
    case 'ones':
      return new Float32Array(size).fill(1);
    case 'constant':
      return new Float32Array(size).fill(initializer.value);
    case 'normal':
      return normalArray(key, size).map((value) => value * initializer.deviation);
    case 'uniform':
      return uniformArray(key, size).map((value) => (value * 2 - 1) * initializer.bound);
    default:
      return initializer satisfies never;
  }
}

/** First values of parameters. Each depends on the key and its own name only, so adding a layer changes no other. */
export function initialiseParameters(specs: Iterable<ParameterSpec>, key: Key): Map<string, HostArray> {
  return new Map(Array.from(specs, (spec) => [spec.name, float32Array(spec.shape, values(spec, deriveKey(key, spec.name)))] as const));
}
