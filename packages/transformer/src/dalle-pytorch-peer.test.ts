import { type GuidanceBranch, type HostArray, int32Array, type ParameterScope, sliceAxis, type Tensor, type TraceScope } from '@tesserae/core';
import { beforeAll, describe, expect, it } from 'vitest';
import { engines } from '../../backend-onnx/src/__fixtures__/engines.js';
import { computeWith, largestDifference, lossGradients } from '../../core/src/__fixtures__/peers/peer-checks.js';
import { caseNames, type RecordedDalle, recordedDalle } from './__fixtures__/dalle-pytorch/recorded-case.js';
import { decodeGreedily } from './__fixtures__/greedy.js';
import { axialTable } from './blocks/rotary.js';
import { declareCondition } from './condition.js';
import { headSizeOf, imageLengthOf, prefixLengthOf, textTokensOf } from './configuration.js';
import { padText } from './pad-text.js';
import { priorTrainingLoss } from './training-loss.js';
import { jointStream, outputLogits } from './transformer.js';

/** What the peer writes over logits of tokens that cannot follow. */
const masked = -Math.fround(3.4028234663852886e38);

/** The peer's texts, which end in zeros for padding, as ids alone. */
function textsOf(recorded: RecordedDalle): number[][] {
  const { shape, data } = recorded.read('text');
  const [batch = 0, length = 0] = shape;
  return Array.from({ length: batch }, (_, row) => {
    const ids = Array.from(data.slice(row * length, (row + 1) * length));
    return ids.slice(0, ids.includes(0) ? ids.indexOf(0) : length);
  });
}

const padded = ({ configuration }: RecordedDalle, texts: readonly (readonly number[])[]): HostArray =>
  int32Array(
    [texts.length, configuration.textLength],
    texts.flatMap((ids) => [...padText(configuration, ids)]),
  );

const codesOf = (recorded: RecordedDalle, name: string): HostArray => int32Array([2, imageLengthOf(recorded.configuration)], Int32Array.from(recorded.read(name).data));

/** Rows of recorded tokens, one a text. */
function tokenRows(recorded: RecordedDalle, name: string): number[][] {
  const positions = imageLengthOf(recorded.configuration);
  const { data } = recorded.read(name);
  return [0, 1].map((row) => Array.from(data.slice(row * positions, (row + 1) * positions)));
}

/** Declares the logits after the first `count` image codes as `NAME text` and `NAME image`. */
function outputPrefix(scope: TraceScope, root: ParameterScope, { configuration }: RecordedDalle, name: string, codes: Tensor, count: number): void {
  const stream = jointStream(root, configuration, declareCondition(scope, configuration, 2), count === 0 ? undefined : sliceAxis(codes, 1, 0, count), { attention: 'windowed' });
  const prefix = prefixLengthOf(configuration);
  scope.output(`${name} text`, outputLogits(root, configuration, 'text', sliceAxis(stream, 1, 0, prefix - 1)));
  scope.output(`${name} image`, outputLogits(root, configuration, 'image', sliceAxis(stream, 1, prefix - 1, count + 1)));
}

/** Both kinds of logits laid out as the peer's one output layer. */
function joined({ configuration }: RecordedDalle, outputs: Readonly<Record<string, HostArray>>, name: string): Float32Array {
  const text = outputs[`${name} text`];
  const image = outputs[`${name} image`];
  const texts = textTokensOf(configuration);
  const all = texts + configuration.codebookSize;
  const textRows = text?.shape[1] ?? 0;
  const length = textRows + (image?.shape[1] ?? 0);
  const logits = new Float32Array(2 * length * all).fill(masked);
  for (let row = 0; row < 2 * length; row += 1) {
    const [example, position] = [Math.floor(row / length), row % length];
    if (position < textRows) logits.set((text?.data ?? []).slice((example * textRows + position) * texts, (example * textRows + position + 1) * texts), row * all);
    else {
      const from = (example * (length - textRows) + position - textRows) * configuration.codebookSize;
      logits.set((image?.data ?? []).slice(from, from + configuration.codebookSize), row * all + texts);
    }
  }
  return logits;
}

describe.each(caseNames)('DALLE-pytorch, %s', (name) => {
  let recorded: RecordedDalle;
  beforeAll(async () => {
    recorded = await recordedDalle(name);
  });

  it('turns by the same angles', () => {
    const { angles, configuration } = recorded;
    if (angles === undefined) {
      expect(configuration.positions).toBe('rows-columns');
      return;
    }
    const { cosines, sines } = axialTable(headSizeOf(configuration), prefixLengthOf(configuration), configuration.grid);
    expect(cosines.shape).toEqual(angles.shape.slice(1));
    expect(largestDifference(cosines.data, Array.from(angles.data, Math.cos))).toBeLessThan(1e-7);
    expect(largestDifference(sines.data, Array.from(angles.data, Math.sin))).toBeLessThan(1e-7);
  });

  describe.each(engines)('on $name', (engine) => {
    it('gives the same logits, losses and gradient of every weight', async () => {
      const { configuration, weights, tolerance } = recorded;
      const positions = imageLengthOf(configuration);
      const inputs = { text: padded(recorded, textsOf(recorded)), codes: codesOf(recorded, 'image_codes') };
      const prefixLength = (recorded.read('logits_prefix').shape[1] ?? 0) - prefixLengthOf(configuration);
      const results = await lossGradients(engine, weights, inputs, (scope, root) => {
        // By windows where the patterns have them; by masks below.
        const { loss } = priorTrainingLoss(configuration, { batch: 2, attention: 'windowed' })({ scope, parameters: root, step: scope.iota([]) });
        const codes = scope.input('codes', [2, positions], 'int32');
        outputPrefix(scope, root, recorded, 'all', codes, positions - 1);
        outputPrefix(scope, root, recorded, 'prefix', codes, prefixLength);
        outputPrefix(scope, root, recorded, 'text', codes, 0);
        return loss;
      });
      expect(largestDifference(joined(recorded, results.outputs, 'all'), recorded.read('logits').data)).toBeLessThanOrEqual(tolerance.logits);
      expect(largestDifference(joined(recorded, results.outputs, 'prefix'), recorded.read('logits_prefix').data)).toBeLessThanOrEqual(tolerance.logits);
      expect(largestDifference(joined(recorded, results.outputs, 'text'), recorded.read('logits_text_only').data)).toBeLessThanOrEqual(tolerance.logits);
      expect(Math.abs(results.loss - (recorded.read('loss').data[0] ?? Number.NaN))).toBeLessThanOrEqual(tolerance.loss);

      if (recorded.gradients.length === 0) return;
      expect([...results.gradients.keys()].sort()).toEqual([...recorded.gradients].sort());
      for (const [path, gradient] of results.gradients) {
        expect(largestDifference(gradient.data, recorded.read(`grads/${path}`).data), path).toBeLessThanOrEqual(tolerance.grads ?? 0);
      }
    });

    it('gives the same loss for the codes of a picture', async () => {
      const { configuration, weights, tolerance } = recorded;
      const inputs = { text: padded(recorded, textsOf(recorded)), codes: codesOf(recorded, 'vae_codes') };
      const { loss } = await computeWith(engine, weights, inputs, (scope, root) => {
        scope.output('loss', priorTrainingLoss(configuration, { batch: 2, attention: 'masked' })({ scope, parameters: root, step: scope.iota([]) }).loss);
      });
      expect(largestDifference(loss?.data, recorded.read('loss_raw_image').data)).toBeLessThanOrEqual(tolerance.loss);
    });

    it('decodes the same tokens from nothing and from the first tokens of a picture', async () => {
      const { configuration, weights, primed } = recorded;
      const backend = await engine.open();
      const pictures = tokenRows(recorded, 'vae_codes');
      try {
        for (const [row, ids] of textsOf(recorded).entries()) {
          const branches = [{ text: Int32Array.from(ids), weight: 1 }];
          const beginnings = [0, ...primed].map((count) => (pictures[row] ?? []).slice(0, count));
          const truth = ['greedy_codes', 'primed_codes', 'primed_default_codes'].map((tokens) => tokenRows(recorded, tokens)[row]);
          expect(await decodeGreedily(backend, configuration, weights, branches, beginnings)).toEqual(truth);
          // Alone, the known rows are read in one pass.
          expect(await decodeGreedily(backend, configuration, weights, branches, beginnings.slice(2))).toEqual(truth.slice(2));
        }
      } finally {
        await backend.dispose();
      }
    });
  });
});

describe('guidance in DALLE-pytorch', () => {
  const text = (ids: readonly number[], weight: number): GuidanceBranch => ({ text: Int32Array.from(ids), weight });

  it.each(engines)('mixes the same logits on $name', async (engine) => {
    const recorded = await recordedDalle('dalle-full-plain');
    const { weights, guidance = 1, tolerance, configuration } = recorded;
    const codes = codesOf(recorded, 'image_codes');
    const count = (recorded.read('logits_prefix_cond_scale').shape[1] ?? 0) - prefixLengthOf(configuration);
    const logitsOf = async (texts: readonly (readonly number[])[]): Promise<Float32Array> =>
      joined(
        recorded,
        await computeWith(engine, weights, { text: padded(recorded, texts), codes }, (scope, root) =>
          outputPrefix(scope, root, recorded, 'prefix', scope.input('codes', codes.shape, 'int32'), count),
        ),
        'prefix',
      );
    const conditional = await logitsOf(textsOf(recorded));
    const mixed = (await logitsOf([[], []])).map((score, index) => (score === masked ? score : score + ((conditional[index] ?? 0) - score) * guidance));
    expect(largestDifference(mixed, recorded.read('logits_prefix_cond_scale').data)).toBeLessThanOrEqual(tolerance.logits * (2 * guidance - 1));
  });

  it.each(engines)('decodes on $name by the text at every token, as it was meant', async (engine) => {
    const recorded = await recordedDalle('dalle-full-plain');
    const { weights, guidance = 1, configuration } = recorded;
    const backend = await engine.open();
    try {
      for (const [row, ids] of textsOf(recorded).entries()) {
        const branches = [text(ids, guidance), text([], 1 - guidance)];
        const [meant = []] = await decodeGreedily(backend, configuration, weights, branches, [[]]);
        expect(meant).toEqual(tokenRows(recorded, 'greedy_cond_scale_codes_text_kept')[row]);
        // The peer overwrites the text after the first token, so that the others follow from the empty text alone.
        expect(await decodeGreedily(backend, configuration, weights, [text([], 1)], [meant.slice(0, 1)])).toEqual([tokenRows(recorded, 'greedy_cond_scale_codes')[row]]);
      }
    } finally {
      await backend.dispose();
    }
  });
});
