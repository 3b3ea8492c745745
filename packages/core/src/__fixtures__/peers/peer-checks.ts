import { type Backend, createParameterTree, gradients, type HostArray, type ParameterScope, type TraceScope, trace, type Tensor, weightsFromArrays } from '../../index.js';

/** The largest |a − b|; infinite where the lengths differ or a number is none. */
export function largestDifference(a: ArrayLike<number> | undefined, b: ArrayLike<number>): number {
  if (a === undefined || a.length !== b.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let index = 0; index < b.length; index += 1) {
    const difference = Math.abs((a[index] ?? Number.NaN) - (b[index] ?? Number.NaN));
    // Written so that NaN is never the smaller.
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}

/** Runs a graph on a peer's weights, once. */
export async function computeWith(
  engine: { readonly open: () => Promise<Backend> },
  weights: ReadonlyMap<string, HostArray>,
  inputs: Record<string, HostArray>,
  body: (scope: TraceScope, root: ParameterScope) => void,
): Promise<Record<string, HostArray>> {
  const backend = await engine.open();
  const program = await backend.compile(
    trace('peer', (scope) => body(scope, createParameterTree(scope, 'constant').root)),
    { weights: weightsFromArrays(weights) },
  );
  try {
    return await program.run(inputs);
  } finally {
    program.dispose();
    await backend.dispose();
  }
}

/** A loss and its gradient with respect to every weight it reads, by path. */
export async function lossGradients(
  engine: { readonly open: () => Promise<Backend> },
  weights: ReadonlyMap<string, HostArray>,
  inputs: Record<string, HostArray>,
  lossOf: (scope: TraceScope, root: ParameterScope) => Tensor,
): Promise<{ readonly loss: number; readonly gradients: ReadonlyMap<string, HostArray>; readonly outputs: Readonly<Record<string, HostArray>> }> {
  const backend = await engine.open();
  const paths: string[] = [];
  const graph = trace('loss and gradients', (scope) => {
    const tree = createParameterTree(scope, 'constant');
    const loss = lossOf(scope, tree.root);
    scope.output('loss', loss);
    paths.push(...tree.tensors.keys());
    gradients(loss, [...tree.tensors.values()]).forEach((gradient, index) => {
      scope.output(`gradient ${paths[index]}`, gradient);
    });
  });
  const program = await backend.compile(graph, { weights: weightsFromArrays(weights) });
  try {
    const results = await program.run(inputs);
    const found = paths.flatMap((path) => {
      const gradient = results[`gradient ${path}`];
      return gradient === undefined ? [] : [[path, gradient] as const];
    });
    return { loss: results.loss?.data[0] ?? Number.NaN, gradients: new Map(found), outputs: results };
  } finally {
    program.dispose();
    await backend.dispose();
  }
}
