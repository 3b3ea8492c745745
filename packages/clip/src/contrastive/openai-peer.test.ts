import { float32Array, type HostArray, int32Array } from '@tesserae/core';
import { describe, expect, it } from 'vitest';
import { engines } from '../../../backend-onnx/src/__fixtures__/engines.js';
import { computeWith, largestDifference } from '../../../core/src/__fixtures__/peers/peer-checks.js';
import { caseNames, recordedCase } from '../__fixtures__/openai-clip/recorded-case.js';
import { clipLogits, clipParameters, encodePictures, encodeTexts } from './clip.js';

describe.each(caseNames)("openai/CLIP's %s", (name) => {
  const recorded = recordedCase(name);
  const { configuration, tolerance } = recorded;
  const texts = recorded.read('text');
  const pictures = recorded.read('image_u8');
  const inputs: Record<string, HostArray> = {
    ids: int32Array(texts.shape, Int32Array.from(texts.data)),
    pixels: float32Array(
      pictures.shape,
      Float32Array.from(pictures.data, (value) => value / 255),
    ),
  };

  it('has the weights that the configuration asks for, no more and no less', async () => {
    const weights = await recorded.weights({ rounded: false });
    const shapes = (entries: Iterable<readonly [string, { readonly shape: readonly number[] }]>) => Object.fromEntries(Array.from(entries, ([path, { shape }]) => [path, shape]));
    expect(shapes(weights)).toEqual(shapes(clipParameters(configuration)));
  });

  // Its loader rounds weights to float16 first; of the float32 case both were recorded.
  const recordings =
    name === 'vit-fp32'
      ? [
          { suffix: '', rounded: true },
          { suffix: '_f32weights', rounded: false },
        ]
      : [{ suffix: '', rounded: true }];
  for (const { suffix, rounded } of recordings) {
    it.each(engines)(`gives its features and logits${suffix === '' ? '' : ' without the rounding'} on '$name'`, async (engine) => {
      const results = await computeWith(engine, await recorded.weights({ rounded }), inputs, (scope, root) => {
        const [seen, read] = [
          encodePictures(root, configuration, scope.input('pixels', pictures.shape)),
          encodeTexts(root, configuration, scope.input('ids', texts.shape, 'int32')),
        ];
        scope.output('image_features', seen);
        scope.output('text_features', read);
        scope.output('logits_per_image', clipLogits(root, seen, read));
      });
      for (const value of ['image_features', 'text_features', 'logits_per_image'] as const) {
        // Text features without rounding have no advice of their own; their error is that of the rounded ones.
        const allowed = tolerance[`${value}${suffix}`] ?? tolerance[value];
        expect(largestDifference(results[value]?.data, recorded.read(`${value}${suffix}`).data), value).toBeLessThanOrEqual(allowed ?? 0);
      }
    });
  }
});
