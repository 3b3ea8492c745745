export { normalArray, permutation, uniform, uniformArray, uniformInteger } from './distributions.js';
export { deriveKey, type Key, keyFromSeed, randomWords } from './threefry.js';
