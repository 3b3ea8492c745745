export { type TilingOptions, tiling } from './tiling.js';
