import { type GraphBuilder, inlineGraph, literal, loop, type NodeOf, nodeAt, type Tensor } from '../graph/index.js';
import { add, broadcastTo, gather, reshape, subtract } from '../ops/index.js';
import { float32Array, int32Array } from '../tensor/index.js';

/** Gives the gradients of several outputs with respect to `wrt`, treating `wrt` as independent. */
export type PullBack = (outputs: readonly { readonly value: Tensor; readonly gradient: Tensor }[], wrt: readonly Tensor[]) => readonly (Tensor | undefined)[];

function zeros(builder: GraphBuilder, shape: readonly number[]): Tensor {
  return broadcastTo(literal(builder, float32Array([], [0])), shape);
}

/**
 * Reverse mode through a loop: the forward loop runs again and keeps what each iteration started from; a second loop
 * walks the iterations backwards, replays each body and pulls the gradients back through it.
 * `resultGradients` has one entry a loop result. Gives the gradient of each input of the loop.
 */
export function loopGradient(
  node: NodeOf<'loop'>,
  inputs: readonly Tensor[],
  resultGradients: ReadonlyMap<number, Tensor>,
  builder: GraphBuilder,
  pullBack: PullBack,
): readonly (Tensor | undefined)[] {
  const { body, count, carried } = node.attributes;
  const initial = inputs.slice(0, carried);
  const captured = inputs.slice(carried);
  const scope = { builder };

  const bind = (iteration: Tensor, current: readonly Tensor[], outer: readonly Tensor[]): Map<string, Tensor> =>
    new Map([
      ['iteration', iteration] as const,
      ...current.map((value, index) => [`carried.${index}`, value] as const),
      ...outer.map((value, index) => [`captured.${index}`, value] as const),
    ]);
  const output = (results: ReadonlyMap<string, Tensor>, name: string): Tensor => {
    const value = results.get(name);
    if (value === undefined) throw new RangeError(`loop body has no output ${name}`);
    return value;
  };

  const history = loop(scope, count, initial, (iteration, current) => {
    const results = inlineGraph(iteration.builder, body, bind(iteration, current, captured));
    return { carried: initial.map((_, index) => output(results, `carried.${index}`)), stacked: current };
  }).stacked;

  const isFloat = (value: Tensor): boolean => value.dtype === 'float32';
  const floatCarried = initial.flatMap((value, index) => (isFloat(value) ? [index] : []));
  const floatCaptured = captured.flatMap((value, index) => (isFloat(value) ? [index] : []));
  const firstCarriedGradients = floatCarried.map((index) => resultGradients.get(index) ?? zeros(builder, initial[index]?.shape ?? []));
  const firstCapturedGradients = floatCaptured.map((index) => zeros(builder, captured[index]?.shape ?? []));

  const backward = loop(scope, count, [...firstCarriedGradients, ...firstCapturedGradients], (step, gradients) => {
    const inner = step.builder;
    const iteration = subtract(literal(inner, int32Array([], [count - 1])), step);
    const at = (stack: Tensor): Tensor => reshape(gather(stack, iteration), stack.shape.slice(1));
    const before = history.map(at);
    const outer = captured.map((value) => inner.capture(value));
    const results = inlineGraph(inner, body, bind(iteration, before, outer));
    const outputs = body.outputs.flatMap(({ name, node: index }, position) => {
      if (nodeAt(body, index).dtype !== 'float32') return [];
      if (position < carried) {
        const gradient = gradients[floatCarried.indexOf(position)];
        return gradient === undefined ? [] : [{ value: output(results, name), gradient }];
      }
      const stacked = resultGradients.get(position);
      return stacked === undefined ? [] : [{ value: output(results, name), gradient: at(inner.capture(stacked)) }];
    });
    const wrt = [...floatCarried.flatMap((index) => before[index] ?? []), ...floatCaptured.flatMap((index) => outer[index] ?? [])];
    const pulled = pullBack(outputs, wrt);
    return {
      carried: wrt.map((value, index) => {
        const gradient = pulled[index];
        const running = gradients[index];
        if (index < floatCarried.length) return gradient ?? zeros(inner, value.shape);
        if (running === undefined) throw new RangeError('a loop gradient lost an accumulator');
        return gradient === undefined ? running : add(running, gradient);
      }),
    };
  }).carried;

  return inputs.map((_, index) => {
    const place = index < carried ? floatCarried.indexOf(index) : floatCaptured.indexOf(index - carried);
    if (place < 0) return undefined;
    return backward[index < carried ? place : floatCarried.length + place];
  });
}
