export * from './judge/index.js';
export * from './scenes/index.js';
