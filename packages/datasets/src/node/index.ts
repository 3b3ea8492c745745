export { type FolderExample, type LoadedImages, type LoadImagesOptions, loadImages, openFolder, type PictureFolder, type SkippedFile } from './folder.js';
export { type WriteScenesOptions, writeScenes } from './write-scenes.js';
