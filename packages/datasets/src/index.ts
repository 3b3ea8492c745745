export { augmentCaptionedPicture, augmentPicture, largestUsefulSide } from './augment.js';
export * from './judge/index.js';
export * from './scenes/index.js';
