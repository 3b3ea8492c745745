export { initialiseParameters } from './initialise.js';
export {
  type Conv2dLayerOptions,
  conv2dLayer,
  type EmbeddingOptions,
  embedding,
  embeddingTable,
  groupNormLayer,
  type LinearOptions,
  layerNormLayer,
  linear,
} from './layers.js';
export { createParameterTree, type Initializer, type ParameterScope, type ParameterSpec, type ParameterTree } from './parameters.js';
