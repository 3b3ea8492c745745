export { tiling, type TilingOptions } from './tiling.js';
