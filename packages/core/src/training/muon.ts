import type { Tensor } from '../graph/index.js';
import { add, divide, matMul, maximum, multiply, reduceSum, sqrt, square, transpose } from '../ops/index.js';
import type { StateSlot } from './adamw.js';

/** Muon's settings (Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"). */
export interface MuonOptions {
  /** Matrices whose path lies under this place are updated by Muon: the hidden layers, not embeddings and heads. */
  readonly under: string;
  /** Of Nesterov's kind. Default 0.95. */
  readonly momentum?: number;
}

/** Newton–Schulz's quintic with the coefficients of Jordan et al.: steepest at 0 among those that stay near 1. */
const quintic = [3.4445, -4.775, 2.0315] as const;
const iterations = 5;

/** Root mean square of AdamW's updates; Muon's are scaled to it, so that one learning rate and decay serve both (Liu et al. 2025, §2.2). */
const adamWRootMeanSquare = 0.2;

/**
 * The orthogonal matrix nearest to `matrix` [rows, columns], about: its singular values, whatever they were, become 0.7 to 1.2.
 * @example With matrix = U·diag(s)·Vᵀ the result is near U·Vᵀ: every direction the gradient has counts alike.
 */
export function orthogonalise(matrix: Tensor): Tensor {
  const [rows = 0, columns = 0] = matrix.shape;
  // The smaller Gram matrix costs less.
  const tall = rows > columns;
  const [a, b, c] = quintic;
  let x = divide(matrix, maximum(sqrt(reduceSum(square(matrix))), 1e-30));
  if (tall) x = transpose(x, [1, 0]);
  for (let iteration = 0; iteration < iterations; iteration += 1) {
    const gram = matMul(x, x, { transposeB: true });
    const polynomial = add(multiply(gram, b), multiply(matMul(gram, gram), c));
    x = add(multiply(x, a), matMul(polynomial, x));
  }
  return tall ? transpose(x, [1, 0]) : x;
}

/** What Muon subtracts from a matrix, without decay. */
export function muon(gradient: Tensor, mean: StateSlot, learningRate: Tensor, options: MuonOptions): Tensor {
  const { momentum = 0.95 } = options;
  const toward = (average: Tensor): Tensor => add(multiply(average, momentum), multiply(gradient, 1 - momentum));
  const newMean = toward(mean.before);
  mean.assign(newMean);
  const scale = adamWRootMeanSquare * Math.sqrt(Math.max(...gradient.shape));
  return multiply(multiply(learningRate, scale), orthogonalise(toward(newMean)));
}
