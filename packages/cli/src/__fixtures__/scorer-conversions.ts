import { join } from 'node:path';
import { clipLogits, contrastiveLoss, encodePictures, encodeTexts, parseClipConfiguration } from '@tesserae/clip';
import { float32Array, type HostArray, int32Array } from '@tesserae/core';
import { largestDifference } from '../../../core/src/__fixtures__/peers/peer-checks.js';
import { type ConversionCase, compute, gradientError, integers, metaOf, packages, peers, recording } from './conversion.js';

/** Every recorded CLIP. */

const pixelsOf = ({ shape, data }: HostArray): HostArray =>
  float32Array(
    shape,
    Float32Array.from(data, (value) => value / 255),
  );

/** `suffix`: of recordings without the rounding to half precision that the peer's loader does, where the file has none. */
function clipCase(folder: string, file: string, suffix = ''): ConversionCase {
  const recorded = join(packages, 'clip/src/__fixtures__/openai-clip', folder);
  return {
    name: `openai/CLIP, ${folder}, ${file}`,
    family: 'openai-clip',
    part: 'scorer',
    sources: [join(peers, 'openai-clip', folder, file)],
    async measure(model) {
      const configuration = parseClipConfiguration(await model.readJson('scorer', 'config.json'));
      const [texts, pictures] = [await recording(recorded, 'text'), await recording(recorded, 'image_u8')];
      const inputs: Record<string, HostArray> = {
        ids: int32Array(texts.shape, Int32Array.from(texts.data)),
        pixels: pixelsOf(pictures),
      };
      const results = await compute(await model.openWeights('scorer'), inputs, (scope, root) => {
        const seen = encodePictures(root, configuration, scope.input('pixels', pictures.shape));
        const read = encodeTexts(root, configuration, scope.input('ids', texts.shape, 'int32'));
        scope.output('image_features', seen);
        scope.output('text_features', read);
        scope.output('logits_per_image', clipLogits(root, seen, read));
      });
      const { tolerance_advice_max_abs: advice } = metaOf(recorded);
      const names = { image_features: 'pictures', text_features: 'texts', logits_per_image: 'logits' } as const;
      const errors = [];
      for (const [output, of] of Object.entries(names)) {
        // Text features without rounding have no advice of their own; their error is that of the rounded ones.
        const allowed = advice[`${output}${suffix}`] ?? advice[output] ?? 0;
        errors.push({ of, error: largestDifference(results[output]?.data ?? [], (await recording(recorded, `${output}${suffix}`)).data), allowed });
      }
      return { errors };
    },
  };
}

const dallePytorchClipCase: ConversionCase = {
  name: 'DALLE-pytorch, clip',
  family: 'dalle-pytorch-clip',
  part: 'scorer',
  sources: [join(peers, 'dalle-pytorch/clip/clip.pt')],
  async measure(model) {
    const recorded = join(packages, 'clip/src/__fixtures__/dalle-pytorch-clip');
    const { tolerance_advice_max_abs: advice } = metaOf(recorded);
    const configuration = parseClipConfiguration(await model.readJson('scorer', 'config.json'));
    const weights = await model.openWeights('scorer');
    const [texts, mask, pictures] = [await recording(recorded, 'text'), await recording(recorded, 'text_mask'), await recording(recorded, 'image_u8')];
    const inputs = { ids: integers(texts), mask: float32Array(mask.shape, Float32Array.from(mask.data)), pixels: pixelsOf(pictures) };
    const results = await compute(weights, inputs, (scope, root) => {
      const seen = encodePictures(root, configuration, scope.input('pixels', pictures.shape));
      const ids = scope.input('ids', texts.shape, 'int32');
      scope.output('scores', clipLogits(root, seen, encodeTexts(root, configuration, ids)));
      scope.output('scores_masked', clipLogits(root, seen, encodeTexts(root, configuration, ids, scope.input('mask', mask.shape))));
    });
    const errors = [];
    for (const [output, of] of Object.entries({ scores: 'logits', scores_masked: 'logits of padded texts' })) {
      const [batch = 0] = results[output]?.shape ?? [];
      // The peer's are of each picture with its own text: the diagonal.
      const pairs = (results[output]?.data ?? new Float32Array()).filter((_, index) => index % (batch + 1) === 0);
      errors.push({ of, error: largestDifference(pairs, (await recording(recorded, output)).data), allowed: advice.scores ?? 0 });
    }
    const loss = contrastiveLoss(configuration, { batch: pictures.shape[0] ?? 0, masked: true });
    return { errors, gradients: { error: await gradientError(weights, inputs, loss, recorded), allowed: advice.grads ?? 0 } };
  },
};


export const scorerCases: readonly ConversionCase[] = [
  clipCase('vit-fp32', 'model.pt', '_f32weights'),
  clipCase('vit-fp16-2heads', 'model.pt'),
  clipCase('vit-fp16-2heads', 'model_jit.pt'),
  clipCase('resnet-fp16', 'model.pt'),
  dallePytorchClipCase,
];
