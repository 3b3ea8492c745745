import type { OperationAttributes, OperationName, Tensor } from '../graph/index.js';

/** What a gradient rule sees: the node's inputs, its value, and the loss's gradient with respect to that value. */
export interface RuleContext<Attributes> {
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
  readonly gradient: Tensor;
  readonly attributes: Attributes;
}

/**
 * The gradient with respect to each input, or undefined where none flows. It may still be broadcast larger than the
 * input: the walk sums it to size once, for all rules.
 */
export type GradientRule<O extends OperationName> = (context: RuleContext<OperationAttributes[O]>) => readonly (Tensor | undefined)[];

export function inputOf(context: { readonly inputs: readonly Tensor[] }, index: number): Tensor {
  const found = context.inputs[index];
  if (found === undefined) throw new RangeError(`a gradient rule asks for input ${index}`);
  return found;
}

/** For operations through which no gradient flows: piecewise constant, whole numbers, leaves. */
export const noGradient = (): readonly undefined[] => [];
