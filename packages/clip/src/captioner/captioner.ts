import {
  add,
  boolArray,
  broadcastTo,
  concat,
  conv2dLayer,
  createParameterTree,
  embeddingTable,
  gather,
  gelu,
  layerNormLayer,
  linear,
  multiply,
  type ParameterScope,
  type ParameterSpec,
  reshape,
  sliceAxis,
  subtract,
  type Tensor,
  trace,
  transpose,
} from '@tesserae/core';
import { transformerBlocks, weightDeviation } from '../blocks.js';
import type { CaptionerConfiguration } from './configuration.js';

/** The id that begins and ends a sentence and fills what is left of its length. */
export const sentenceEnd = ({ textVocabularySize }: CaptionerConfiguration): number => textVocabularySize;

/** Positions of a picture. */
export const patchesOf = ({ imageSize, patch }: CaptionerConfiguration): number => (imageSize / patch) ** 2;

/**
 * Pixels `[batch, 3, size, size]` in [0, 1] → `[batch, patches, width]`. Halving convolutions instead of one large filter: they
 * learn edges in a fraction of the updates (Xiao et al. 2021, "Early convolutions help transformers see better").
 */
function embedPicture(parameters: ParameterScope, configuration: CaptionerConfiguration, pixels: Tensor): Tensor {
  const { patch, width } = configuration;
  const halvings = Math.log2(patch);
  let x = subtract(multiply(pixels, 2), 1);
  for (let stage = 0; stage < halvings; stage += 1) {
    const channels = Math.max(8, width >> (halvings - 1 - stage));
    const place = parameters.child('stem').child(`${stage}`);
    x = conv2dLayer(place, x, {
      channels: stage === halvings - 1 ? width : channels,
      filterSize: 3,
      stride: 2,
      padding: [
        [0, 1],
        [0, 1],
      ],
    });
    if (stage < halvings - 1) x = gelu(x);
  }
  const patches = patchesOf(configuration);
  const positions = embeddingTable(parameters.child('positions'), { count: patches, width });
  return add(transpose(reshape(x, [x.shape[0] ?? 0, width, patches]), [0, 2, 1]), positions);
}

/** What each position may look at: pictures see themselves, text sees the picture and the text before it. */
function prefixMask(patches: number, text: number): Uint8Array {
  const length = patches + text;
  return Uint8Array.from({ length: length * length }, (_, index) => {
    const [query, key] = [Math.floor(index / length), index % length];
    return key < patches || key <= query ? 1 : 0;
  });
}

/**
 * Pixels `[batch, 3, size, size]` in [0, 1] and text int32 `[batch, textLength]`, filled with `sentenceEnd` → logits
 * `[batch, textLength, textVocabularySize + 1]`: text id i given the picture and the ids before it.
 */
export function captionLogits(parameters: ParameterScope, configuration: CaptionerConfiguration, pixels: Tensor, text: Tensor): Tensor {
  const { width, textVocabularySize, textLength } = configuration;
  const batch = pixels.shape[0] ?? 0;
  const patches = patchesOf(configuration);
  const picture = embedPicture(parameters.child('image'), configuration, pixels);
  const place = parameters.child('text');
  const tokens = embeddingTable(place.child('tokens'), { count: textVocabularySize + 1, width });
  const start = broadcastTo(reshape(sliceAxis(tokens, 0, textVocabularySize, 1), [1, 1, width]), [batch, 1, width]);
  const before = textLength === 1 ? start : concat([start, gather(tokens, sliceAxis(text, 1, 0, textLength - 1))], 1);
  const sentence = add(before, embeddingTable(place.child('positions'), { count: textLength, width }));
  const length = patches + textLength;
  const mask = parameters.trace.literal(boolArray([1, 1, length, length], prefixMask(patches, textLength)));
  const { heads, layers } = configuration;
  const stream = transformerBlocks(parameters.child('blocks'), concat([picture, sentence], 1), { width, heads, layers, activation: 'exact', mask });
  const normal = layerNormLayer(parameters.child('norm'), sliceAxis(stream, 1, patches, textLength));
  return linear(parameters.child('head'), normal, { features: textVocabularySize + 1, initializer: { kind: 'normal', deviation: weightDeviation } });
}

/** Every weight of a configuration with its shape, without making any. */
export function captionerParameters(configuration: CaptionerConfiguration): ReadonlyMap<string, ParameterSpec> {
  const { imageSize, textLength } = configuration;
  let specs: ReadonlyMap<string, ParameterSpec> = new Map();
  trace('parameters', (scope) => {
    const tree = createParameterTree(scope, 'constant');
    const pixels = scope.input('pixels', [1, 3, imageSize, imageSize]);
    scope.output('logits', captionLogits(tree.root, configuration, pixels, scope.input('text', [1, textLength], 'int32')));
    specs = tree.specs;
  });
  return specs;
}
