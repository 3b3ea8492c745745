export { imagePrefix, type ImagePrefixOptions } from './image-prefix.js';
