import { TesseraeError } from '../errors/index.js';
import { type GraphBuilder, isComposite, literal, type Node, type NodeOf, type OperationAttributes, type OperationName, type PrimitiveName, type Tensor } from '../graph/index.js';
import { broadcastTo, decompose, reduceSum, reshape } from '../ops/index.js';
import { float32Array, formatShape, type Shape, sameShape } from '../tensor/index.js';
import type { Recompute } from './cheap-values.js';
import { compositeRules } from './composite-rules.js';
import { elementwiseRules } from './elementwise-rules.js';
import { type Checkpoints, type LayerWalk, plainWalk, walkByLayers } from './layer-walk.js';
import { loopGradient, type PullBack } from './loop-gradient.js';
import type { GradientRule } from './rule.js';
import { structureRules } from './structure-rules.js';
import { sumOfParts } from './sum-of-parts.js';

/** Every primitive but the loop, whose gradient needs all its results at once. A missing rule does not compile. */
const rules: { readonly [O in Exclude<PrimitiveName, 'loop' | 'loopResult'>]: GradientRule<O> } = { ...elementwiseRules, ...structureRules };

/** Sums a gradient over the axes along which its input was broadcast. */
function sumToShape(gradient: Tensor, shape: Shape): Tensor {
  if (sameShape(gradient.shape, shape)) return gradient;
  const extra = gradient.shape.length - shape.length;
  const axes = gradient.shape.flatMap((size, axis) => (axis < extra || (size !== 1 && shape[axis - extra] === 1) ? [axis] : []));
  return reshape(reduceSum(gradient, { axes }), shape);
}

function ruleGradients(node: Node, inputs: readonly Tensor[], output: Tensor, gradient: Tensor): readonly (Tensor | undefined)[] {
  if (isComposite(node.operation)) {
    const rule = compositeRules[node.operation] as GradientRule<OperationName> | 'decompose';
    if (rule !== 'decompose') return rule({ inputs, output, gradient, attributes: node.attributes as OperationAttributes[OperationName] });
    const opened = decompose(node.operation, inputs, node.attributes as never);
    return pullBack([{ value: opened, gradient }], inputs);
  }
  const rule = rules[node.operation as Exclude<PrimitiveName, 'loop' | 'loopResult'>] as GradientRule<OperationName>;
  return rule({ inputs, output, gradient, attributes: node.attributes as OperationAttributes[OperationName] });
}

/** Which of the nodes up to `last` depend on one of `sources`. Sources count, what they depend on does not. */
function dependents(nodes: readonly Node[], last: number, sources: ReadonlySet<number>): Uint8Array {
  const depends = new Uint8Array(last + 1);
  for (let index = 0; index <= last; index += 1) {
    if (sources.has(index) || nodes[index]?.inputs.some((input) => depends[input] === 1)) depends[index] = 1;
  }
  return depends;
}

/**
 * Pulls gradients of values of one builder back to `wrt`. A `wrt` that is also computed from another `wrt` is a cut:
 * it is treated as independent. Undefined where nothing depends on it.
 */
const pullBack: PullBack = (outputs, wrt) => {
  const builder = outputs[0]?.value.builder ?? wrt[0]?.builder;
  return builder === undefined ? wrt.map(() => undefined) : pullBackWith(builder, plainWalk(builder), outputs, wrt);
};

function pullBackWith(builder: GraphBuilder, walk: LayerWalk, ...[outputs, wrt]: Parameters<PullBack>): ReturnType<PullBack> {
  const last = Math.max(-1, ...outputs.map(({ value }) => value.node));
  const sources = new Set(wrt.map((tensor) => tensor.node));
  const depends = dependents(builder.nodes, last, sources);
  const gradients = new Map<number, Tensor>();
  const loopGradients = new Map<number, Map<number, Tensor>>();
  const accumulate = (index: number, gradient: Tensor): void => {
    const before = gradients.get(index);
    gradients.set(index, before === undefined ? gradient : sumOfParts(before, gradient));
  };
  for (const { value, gradient } of outputs) accumulate(value.node, gradient);

  for (let index = last; index >= 0; index -= 1) {
    const node = builder.nodes[index];
    if (node === undefined || depends[index] === 0 || sources.has(index)) continue;
    let pulled: readonly (Tensor | undefined)[];
    walk.approach(index, gradients);
    const inputs = node.inputs.map((input) => walk.read(input, index));
    if (node.operation === 'loop') {
      const results = loopGradients.get(index);
      if (results === undefined) continue;
      pulled = loopGradient(node as NodeOf<'loop'>, inputs, results, builder, pullBack);
    } else {
      const gradient = gradients.get(index);
      if (gradient === undefined) continue;
      gradients.delete(index);
      if (node.operation === 'loopResult') {
        const source = node.inputs[0] ?? -1;
        const known = loopGradients.get(source) ?? new Map<number, Tensor>();
        known.set(node.attributes.index, gradient);
        loopGradients.set(source, known);
        continue;
      }
      pulled = builder.labelled(`gradient${node.label === undefined ? '' : `.${node.label}`}`, () => ruleGradients(node, inputs, walk.read(index, index), gradient));
    }
    pulled.forEach((gradient, position) => {
      const input = node.inputs[position];
      if (gradient === undefined || input === undefined || depends[input] === 0) return;
      accumulate(input, sumToShape(gradient, builder.tensor(input).shape));
    });
  }
  return wrt.map((tensor) => gradients.get(tensor.node));
}

export interface GradientOptions {
  /** Values between layers: each layer's gradients are then complete before those of the layer before it begin, so that its values can be freed. */
  readonly checkpoints?: Checkpoints;
  /** `all`: keep only the checkpoints, and compute what is between them again; `cheap`: only what costs little for its memory. Default `none`. */
  readonly recompute?: Recompute;
}

/**
 * Reverse-mode gradients: appends to the trace of `loss` the nodes that compute d loss / d wrt, one for each `wrt`, of
 * the same shape. Where the loss does not depend on it, the gradient is zero.
 * @param loss a float32 scalar.
 * @throws TesseraeError `not-differentiable` when the loss is no float32 scalar or a `wrt` is no float32 tensor.
 */
export function gradients(loss: Tensor, wrt: readonly Tensor[], { checkpoints = [], recompute = 'none' }: GradientOptions = {}): Tensor[] {
  if (loss.dtype !== 'float32' || loss.shape.length !== 0) {
    throw new TesseraeError('not-differentiable', `The loss is ${loss.dtype} ${formatShape(loss.shape)}, not a float32 scalar.`, {
      remedy: 'Reduce it with reduceMean or reduceSum first.',
    });
  }
  for (const tensor of wrt) {
    if (tensor.dtype !== 'float32')
      throw new TesseraeError('not-differentiable', `There is no gradient with respect to a ${tensor.dtype} tensor.`, { remedy: 'Differentiate with respect to float32 tensors.' });
  }
  const one = literal(loss.builder, float32Array([], [1]));
  const zero = literal(loss.builder, float32Array([], [0]));
  const walk = checkpoints.length < 2 ? plainWalk(loss.builder) : walkByLayers(loss.builder, checkpoints, recompute);
  return pullBackWith(loss.builder, walk, [{ value: loss, gradient: one }], wrt).map((gradient, index) => gradient ?? broadcastTo(zero, wrt[index]?.shape ?? []));
}
