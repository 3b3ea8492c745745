import { apply, type Tensor } from '../graph/index.js';

export const relu = (x: Tensor): Tensor => apply('relu', [x], {});
/** x·σ(x). */
export const silu = (x: Tensor): Tensor => apply('silu', [x], {});
/** Which of the three formulas called GELU: peers differ, see `OperationAttributes`. */
export const gelu = (x: Tensor, approximation: 'exact' | 'tanh' | 'quick' = 'exact'): Tensor => apply('gelu', [x], { approximation });
