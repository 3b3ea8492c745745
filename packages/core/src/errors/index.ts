export { type ErrorCode, isTesseraeError, TesseraeError, type TesseraeErrorOptions } from './tesserae-error.js';
