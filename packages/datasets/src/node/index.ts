export { type FolderExample, type LoadedImages, type LoadImagesOptions, loadImages, openFolder, type PictureFolder, type SkippedFile } from './folder.js';
export { loadSharp } from './sharp.js';
export { type WriteScenesOptions, type WriteScenesResult, writeScenes } from './write-scenes.js';
