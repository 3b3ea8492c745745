export type { Recompute } from './cheap-values.js';
export { type GradientOptions, gradients } from './gradients.js';
export type { Checkpoints } from './layer-walk.js';
