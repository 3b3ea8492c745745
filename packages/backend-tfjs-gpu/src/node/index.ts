export { createNodeTfjsBackend, type NodeTfjsBackendOptions } from './node-backend.js';
