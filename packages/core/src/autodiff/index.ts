export { type GradientOptions, gradients } from './gradients.js';
export type { Checkpoints } from './recomputation.js';
