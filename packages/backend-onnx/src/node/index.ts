export { createNodeOnnxBackend, type NodeOnnxBackendOptions } from './node-backend.js';
