export { type GradientOptions, gradients } from './gradients.js';
export type { Checkpoints } from './layer-walk.js';
