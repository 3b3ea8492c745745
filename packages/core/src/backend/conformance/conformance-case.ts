import { gradients } from '../../autodiff/index.js';
import { type Graph, type Tensor, type TraceScope, trace } from '../../graph/index.js';
import * as ops from '../../ops/index.js';
import { deriveKey, keyFromSeed, normalArray, uniformArray } from '../../random/index.js';
import { boolArray, type DType, float32Array, type HostArray, int32Array, type Shape, sizeOf } from '../../tensor/index.js';

/** A graph with inputs; what it must give comes from the reference backend. */
export interface ConformanceCase {
  /** `operation: variant`, unique. */
  readonly name: string;
  readonly graph: Graph;
  readonly inputs: Readonly<Record<string, HostArray>>;
  /** State before the run; compared after it too. */
  readonly state?: ReadonlyMap<string, HostArray>;
  /** Largest difference allowed, relative to 1 + |expected|. Whole numbers and truth values must be equal. */
  readonly tolerance: number;
}

export interface InputSpec {
  readonly shape: Shape;
  readonly dtype?: DType;
  /** How random numbers become this input's values. Default: normal. int32: 0…4; bool: coin tosses. */
  readonly from?: (normal: number) => number;
}

export type Build = (inputs: readonly Tensor[], scope: TraceScope) => Tensor;

export const positive = (value: number): number => Math.abs(value) + 0.25;
/** Values with many equals among them: ties must be broken alike. */
export const coarse = (value: number): number => Math.round(value);

export function valuesOf(spec: InputSpec, name: string, index: number): HostArray {
  const { shape, dtype = 'float32', from } = spec;
  const key = deriveKey(keyFromSeed(2021), name, index);
  const size = sizeOf(shape);
  switch (dtype) {
    case 'float32':
      return float32Array(shape, from === undefined ? normalArray(key, size) : normalArray(key, size).map(from));
    case 'int32':
      return int32Array(shape, Int32Array.from(uniformArray(key, size), (value) => Math.floor(value * 5)).map(from ?? ((value) => value)));
    case 'bool':
      return boolArray(
        shape,
        Uint8Array.from(uniformArray(key, size), (value) => (value < 0.5 ? 1 : 0)),
      );
    default:
      return dtype satisfies never;
  }
}

export function at(inputs: readonly Tensor[], index: number): Tensor {
  const found = inputs[index];
  if (found === undefined) throw new RangeError(`the case has no input ${index}`);
  return found;
}

export const tolerance = 2e-5;

export function forward(name: string, specs: readonly InputSpec[], build: Build): ConformanceCase {
  const graph = trace(name, (scope) => {
    const inputs = specs.map(({ shape, dtype }, index) => scope.input(`x${index}`, shape, dtype));
    scope.output('y', build(inputs, scope));
  });
  return { name, graph, inputs: Object.fromEntries(specs.map((spec, index) => [`x${index}`, valuesOf(spec, name, index)])), tolerance };
}

/** The same with the gradients of a weighted sum of the result with respect to every float input. */
export function withGradients(name: string, specs: readonly InputSpec[], build: Build): ConformanceCase[] {
  const graph = trace(`${name}, gradient`, (scope) => {
    const inputs = specs.map(({ shape, dtype }, index) => scope.input(`x${index}`, shape, dtype));
    const value = build(inputs, scope);
    const weights = scope.input('weights', value.shape);
    const floats = inputs.filter((input) => input.dtype === 'float32');
    gradients(ops.reduceSum(ops.multiply(value, weights)), floats).forEach((gradient, index) => scope.output(`d${index}`, gradient));
  });
  const plain = forward(name, specs, build);
  const shape = plain.graph.nodes[plain.graph.outputs[0]?.node ?? 0]?.shape ?? [];
  return [plain, { name: graph.name, graph, inputs: { ...plain.inputs, weights: valuesOf({ shape }, name, 99) }, tolerance: 1e-4 }];
}

export const shapes: readonly Shape[] = [[2, 3], [], [1, 4, 1], [0, 3]];
