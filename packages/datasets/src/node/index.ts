export { loadSharp } from './sharp.js';
export { type WriteScenesOptions, type WriteScenesResult, writeScenes } from './write-scenes.js';
