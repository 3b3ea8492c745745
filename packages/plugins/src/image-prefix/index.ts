export { type ImagePrefixOptions, imagePrefix } from './image-prefix.js';
