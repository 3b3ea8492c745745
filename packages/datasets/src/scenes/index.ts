export { describeScene, type ParsedCaption, type ParsedObject, parseCaption, sceneCaption } from './captions.js';
export { drawScene } from './draw.js';
export { type SampleOptions, type SceneExample, sampleExample, sampleScene } from './sample.js';
export { type OneObjectScene, type Scene, type SceneObject, type Split, sceneSize, splits, type TwoObjectScene } from './scene.js';
export {
  type Background,
  backgrounds,
  backgroundValues,
  type Colour,
  colours,
  colourValues,
  isHeldOut,
  type Place,
  places,
  type Relation,
  type Rgb,
  relations,
  type Shape,
  type Size,
  shapes,
  sizes,
} from './vocabulary.js';
