import { apply, type Tensor } from '../graph/index.js';

export interface MatMulOptions {
  /** Swap the last two axes of the first operand first. */
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

/** Matrix product of the last two axes; leading axes broadcast. */
export function matMul(a: Tensor, b: Tensor, options: MatMulOptions = {}): Tensor {
  return apply('matMul', [a, b], { transposeA: options.transposeA ?? false, transposeB: options.transposeB ?? false });
}
