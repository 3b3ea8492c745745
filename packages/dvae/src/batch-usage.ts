import { add, cast, divide, exp, less, log, maximum, multiply, reduceSum, reshape, scatterAdd, type Tensor } from '@tesserae/core';

/** How often each code occurs: codes int32 of any shape → float32 [codebookSize]. */
export function countCodes(codes: Tensor, codebookSize: number): Tensor {
  const flat = reshape(codes, [-1]);
  return scatterAdd(flat, add(multiply(cast(flat, 'float32'), 0), 1), codebookSize);
}

/** The same as `codebookUsage`, of the codes of one batch in the graph. */
export function batchUsage(codes: Tensor, codebookSize: number): { readonly usedCodes: Tensor; readonly perplexity: Tensor } {
  const counts = countCodes(codes, codebookSize);
  const shares = divide(
    counts,
    codes.shape.reduce((product, size) => product * size, 1),
  );
  // A code that does not occur adds 0 · ln(smallest normal float32), which is 0.
  const entropy = multiply(reduceSum(multiply(shares, log(maximum(shares, 1.2e-38)))), -1);
  return { usedCodes: reduceSum(cast(less(0, counts), 'float32')), perplexity: exp(entropy) };
}
