export { initialiseParameters } from './initialise.js';
export {
  conv2dLayer,
  type Conv2dLayerOptions,
  embedding,
  type EmbeddingOptions,
  embeddingTable,
  groupNormLayer,
  layerNormLayer,
  linear,
  type LinearOptions,
} from './layers.js';
export { createParameterTree, type Initializer, type ParameterScope, type ParameterSpec, type ParameterTree } from './parameters.js';
