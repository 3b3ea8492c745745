export { type FolderExample, type LoadedImages, loadImages, type LoadImagesOptions, openFolder, type PictureFolder, type SkippedFile } from './folder.js';
export { writeScenes, type WriteScenesOptions } from './write-scenes.js';
