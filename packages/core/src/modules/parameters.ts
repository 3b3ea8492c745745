import { TesseraeError } from '../errors/index.js';
import type { Tensor, TraceScope } from '../graph/index.js';
import { formatShape, type Shape, sameShape } from '../tensor/index.js';

/** How a parameter begins, as data. `normal` has mean 0. */
export type Initializer =
  | { readonly kind: 'zeros' }
  | { readonly kind: 'ones' }
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'normal'; readonly deviation: number }
  | { readonly kind: 'uniform'; readonly bound: number };

/** A parameter's place, size and beginning. Names are paths: `blocks.0.attention.query.weight`. */
export interface ParameterSpec {
  readonly name: string;
  readonly shape: Shape;
  readonly initializer: Initializer;
  /** Whether weight decay applies: matrices and filters yes, gains, biases and embeddings no. Default true for rank ≥ 2. */
  readonly decay: boolean;
}

/** A place in the tree of parameters: model functions ask it for their weights. */
export interface ParameterScope {
  readonly trace: TraceScope;
  readonly path: string;
  /** Declares, or finds again, a float32 parameter below this place. */
  parameter(name: string, shape: Shape, initializer: Initializer, options?: { readonly decay?: boolean }): Tensor;
  /** A place below this one; nodes made by `body` are labelled with it. */
  child(name: string): ParameterScope;
}

/** The root of a tree of parameters and the list of all that were asked for. */
export interface ParameterTree {
  readonly root: ParameterScope;
  readonly specs: ReadonlyMap<string, ParameterSpec>;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/**
 * Starts a tree. `kind` says how programs bind it: `constant` for inference (bound at compile), `state` for training
 * (updated by each step). `prefix` keeps two trees in one store apart (`ema.`).
 */
export function createParameterTree(trace: TraceScope, kind: 'constant' | 'state', prefix = ''): ParameterTree {
  const specs = new Map<string, ParameterSpec>();
  const tensors = new Map<string, Tensor>();
  const scopeAt = (path: string): ParameterScope => ({
    trace,
    path,
    child: (name) => scopeAt(path === '' ? name : `${path}.${name}`),
    parameter(name, shape, initializer, options = {}) {
      const full = path === '' ? name : `${path}.${name}`;
      const known = specs.get(full);
      const existing = tensors.get(full);
      if (known !== undefined && existing !== undefined) {
        if (!sameShape(known.shape, shape)) {
          throw new TesseraeError('shape-mismatch', `Parameter '${full}' is asked for as ${formatShape(shape)} but is ${formatShape(known.shape)}.`, {
            remedy: 'Share a parameter only between layers of the same size.',
          });
        }
        return existing;
      }
      specs.set(full, { name: full, shape, initializer, decay: options.decay ?? shape.length >= 2 });
      const tensor = kind === 'constant' ? trace.constant(prefix + full, shape) : trace.state(prefix + full, shape);
      tensors.set(full, tensor);
      return tensor;
    },
  });
  return { root: scopeAt(''), specs, tensors };
}
