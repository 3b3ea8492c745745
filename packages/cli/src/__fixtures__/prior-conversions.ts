import { join } from 'node:path';
import { type Backend, boolArray, float32Array, type GuidanceBranch, type HostArray, int32Array } from '@tesserae/core';
import { createNodeOnnxBackend } from '@tesserae/backend-onnx/node';
import type { OpenedModel } from '@tesserae/core/node';
import { createReferenceBackend } from '@tesserae/core/reference';
import { padText, type PriorConfiguration, parsePriorConfiguration, priorLogits, priorTrainingLoss } from '@tesserae/transformer';
import { greedyTokens } from '../../../transformer/src/__fixtures__/greedy.js';
import { loadPrior } from '../model.js';
import { largestDifference } from '../../../core/src/__fixtures__/peers/peer-checks.js';
import { type ConversionCase, compute, gradientError, integers, metaOf, packages, peers, recording } from './conversion.js';
import { dalleFolders } from './image-tokenizer-conversions.js';

/** A recorded greedy sequence: what the prior is told of one text, and the tokens that followed. */
interface GreedyRow {
  readonly branches: readonly GuidanceBranch[];
  readonly tokens: readonly number[];
}

/** Rows of a recorded array of two axes. */
async function rowsOf(folder: string, name: string): Promise<number[][]> {
  const { shape, data } = await recording(folder, name);
  const [rows = 0] = shape;
  return Array.from({ length: rows }, (_, row) => Array.from(data.slice((row * data.length) / rows, ((row + 1) * data.length) / rows), Number));
}

async function priorOf(model: OpenedModel): Promise<PriorConfiguration> {
  return parsePriorConfiguration(await model.readJson('prior', 'config.json'));
}

/** How many tokens differ from the recorded ones when the prior of the folder decodes. */
async function countWrongTokens(model: OpenedModel, rows: readonly GreedyRow[], backend: Backend = createReferenceBackend()): Promise<number> {
  const configuration = await priorOf(model);
  const prior = await loadPrior(model, { backend });
  let wrong = 0;
  try {
    for (const { branches, tokens } of rows) {
      const [made = []] = await greedyTokens(prior, configuration, branches, [[]]);
      wrong += made.length === tokens.length ? made.filter((token, position) => token !== tokens[position]).length : tokens.length;
    }
  } finally {
    prior.dispose();
    await backend.dispose();
  }
  return wrong;
}

/** A prior's condition as arrays: a text, or features that are all looked at. */
type ConditionArrays = { readonly text: HostArray } | { readonly features: HostArray };

/** The prior's logits of recorded codes: [batch, positions, codes]. */
async function imageLogits(model: OpenedModel, condition: ConditionArrays, codes: HostArray): Promise<readonly number[]> {
  const configuration = await priorOf(model);
  const all = (shape: readonly number[]): HostArray => boolArray(shape, new Uint8Array(shape.reduce((product, extent) => product * extent, 1)).fill(1));
  const { image } = await compute(await model.openWeights('prior'), { ...condition, codes }, (scope, root) => {
    const given =
      'text' in condition
        ? { text: scope.input('text', condition.text.shape, 'int32') }
        : {
            features: {
              values: scope.input('features', condition.features.shape),
              given: scope.literal(all(condition.features.shape.slice(0, 1))),
              mask: scope.literal(all(condition.features.shape.slice(0, 2))),
            },
          };
    scope.output('image', priorLogits(root, configuration, given, scope.input('codes', codes.shape, 'int32')).image);
  });
  return Array.from(image?.data ?? [], Number);
}

function dallePytorchCase(name: string): ConversionCase {
  const recorded = join(packages, 'transformer/src/__fixtures__/dalle-pytorch', name);
  return {
    name: `DALLE-pytorch, ${name}`,
    family: 'dalle-pytorch',
    part: 'prior',
    sources: [join(peers, 'dalle-pytorch', name, 'dalle.pt')],
    async measure(model) {
      const configuration = await priorOf(model);
      // Zeros are its padding.
      const texts = (await rowsOf(recorded, 'text')).map((ids) => Int32Array.from(ids.slice(0, ids.includes(0) ? ids.indexOf(0) : ids.length)));
      const greedy = await rowsOf(recorded, 'greedy_codes');
      const wrongTokens = await countWrongTokens(
        model,
        texts.map((text, row) => ({ branches: [{ text, weight: 1 }], tokens: greedy[row] ?? [] })),
      );
      const padded = int32Array(
        [texts.length, configuration.textLength],
        texts.flatMap((ids) => [...padText(configuration, ids)]),
      );
      const codes = integers(await recording(recorded, 'image_codes'));
      const logits = await imageLogits(model, { text: padded }, codes);
      // One output layer for text and image: [batch, positions, text ids and codes], of which the image's corner is ours.
      const all = await recording(recorded, 'logits');
      const [, length = 0, columns = 0] = all.shape;
      const expected = all.data.filter((_, index) => Math.floor(index / columns) % length >= configuration.textLength && index % columns >= columns - configuration.codebookSize);
      const { logits: allowed = 0, grads } = metaOf(recorded).tolerance_advice_max_abs;
      const errors = [{ of: 'logits', error: largestDifference(logits, expected), allowed }];
      // Without rotary positions, the peer cannot train its sparse layers.
      if (grads === undefined) return { wrongTokens, errors };
      const loss = priorTrainingLoss(configuration, { batch: texts.length });
      return { wrongTokens, errors, gradients: { error: await gradientError(await model.openWeights('prior'), { text: padded, codes }, loss, recorded), allowed: grads } };
    },
  };
}

const mindallePriorCase: ConversionCase = {
  name: 'minDALL-E, both stages',
  family: 'mindalle-prior',
  part: 'prior',
  sources: [join(peers, 'mindalle-kakao/small')],
  async measure(model) {
    const recorded = join(packages, 'transformer/src/__fixtures__/mindalle-kakao/small');
    const [texts, greedy] = [await rowsOf(recorded, 'text'), await rowsOf(recorded, 'greedy_codes')];
    const wrongTokens = await countWrongTokens(
      model,
      texts.map((text, row) => ({ branches: [{ text: Int32Array.from(text), weight: 1 }], tokens: greedy[row] ?? [] })),
    );
    const logits = await imageLogits(model, { text: integers(await recording(recorded, 'text')) }, integers(await recording(recorded, 'image_codes')));
    const { data } = await recording(recorded, 'logits_img');
    return { wrongTokens, errors: [{ of: 'logits', error: largestDifference(logits, data), allowed: metaOf(recorded).tolerance_advice_max_abs.logits_img ?? 0 }] };
  },
};

function llamagenPriorCase(name: string): ConversionCase {
  const recorded = join(packages, 'transformer/src/__fixtures__/llamagen', name);
  return {
    name: `LlamaGen, ${name}`,
    family: 'llamagen-prior',
    part: 'prior',
    sources: [join(peers, 'llamagen', name, 'model.pt')],
    words: ['--set', 'heads=2,grid={"rows":4,"columns":4}'],
    async measure(model) {
      const { condition } = await priorOf(model);
      const told = await recording(recorded, 'cond');
      const [values, greedy] = [await rowsOf(recorded, 'cond'), await rowsOf(recorded, 'greedy_nocfg')];
      const masks = condition?.kind === 'features' ? await rowsOf(recorded, 'caption_mask') : [];
      const branchOf = (numbers: readonly number[], row: number): GuidanceBranch =>
        condition?.kind === 'features'
          ? { text: new Int32Array(), features: { values: Float32Array.from(numbers), mask: Uint8Array.from(masks[row] ?? []) }, weight: 1 }
          : { text: Int32Array.from(numbers), weight: 1 };
      const wrongTokens = await countWrongTokens(
        model,
        values.map((numbers, row) => ({ branches: [branchOf(numbers, row)], tokens: greedy[row] ?? [] })),
      );
      const batch = told.shape[0] ?? 0;
      const conditions = condition?.kind === 'features' ? { features: float32Array(told.shape, Float32Array.from(told.data)) } : { text: int32Array([batch, 1], Int32Array.from(told.data)) };
      const logits = await imageLogits(model, conditions, integers(await recording(recorded, 'codes')));
      // Of captions the peer recorded the condition's own positions too, which predict nothing.
      const truth = await recording(recorded, 'logits');
      const [, length = 0, columns = 0] = truth.shape;
      const expected = truth.data.filter((_, index) => Math.floor(index / columns) % length >= length - logits.length / batch / columns);
      return { wrongTokens, errors: [{ of: 'logits', error: largestDifference(logits, expected), allowed: metaOf(recorded).tolerance_advice_max_abs.logits ?? 0 }] };
    },
  };
}

function minDallePriorCase(name: string, heads: number): ConversionCase {
  const recorded = join(packages, 'transformer/src/__fixtures__/min-dalle', name);
  return {
    name: `min-dalle, ${name}`,
    family: 'min-dalle-prior',
    part: 'prior',
    sources: ['encoder.pt', 'decoder.pt'].map((file) => join(peers, 'min-dalle', name, file)),
    words: ['--set', `heads=${heads}`],
    async measure(model) {
      const { config, tolerance_advice_max_abs: advice } = metaOf(recorded);
      const guidance = config.supercondition_factor ?? 1;
      const [empty = [], prompt = []] = await rowsOf(recorded, 'text_tokens');
      // Ones are its padding.
      const text = Int32Array.from(prompt.slice(0, prompt.includes(1) ? prompt.indexOf(1) : prompt.length));
      const branches = [
        { text, weight: guidance },
        { text: new Int32Array(), weight: 1 - guidance },
      ];
      const wrongTokens = await countWrongTokens(
        model,
        (await rowsOf(recorded, 'greedy_tokens')).map((tokens) => ({ branches, tokens })),
      );
      // The start token leads what the peer is given; the last code predicts nothing.
      const codes = (await rowsOf(recorded, 'prev_tokens')).map((tokens) => [...tokens.slice(1), 0]);
      const texts = [...codes.flatMap(() => empty), ...codes.flatMap(() => prompt)];
      const logits = await imageLogits(
        model,
        { text: int32Array([2 * codes.length, empty.length], texts) },
        int32Array([2 * codes.length, codes[0]?.length ?? 0], [...codes, ...codes].flat()),
      );
      return { wrongTokens, errors: [{ of: 'logits', error: largestDifference(logits, (await recording(recorded, 'logits_parallel')).data), allowed: advice.logits ?? 0 }] };
    },
  };
}

/** The whole chain of the peer's own program, of one text: 256 tokens. */
const minDallePipelineCase: ConversionCase = {
  name: 'min-dalle, the whole pipeline',
  family: 'min-dalle-prior',
  part: 'prior',
  sources: [join(peers, 'min-dalle/pipeline-mega-ids')],
  // The recorded release begins with the last code that it samples, in place of the one that DALL-E mini was trained with.
  words: ['--set', 'normGroups=8,heads=2,condition={"kind":"encoder","layers":2,"padding":1,"emptyText":[0,2],"startToken":16383}'],
  async measure(model) {
    const recorded = join(packages, 'transformer/src/__fixtures__/min-dalle/pipeline-mega-ids');
    const guidance = metaOf(recorded).config.supercondition_factor ?? 1;
    const text = (await recording(recorded, 'text_ids')).data;
    const branches = [
      { text: Int32Array.from(text), weight: guidance },
      { text: new Int32Array(), weight: 1 - guidance },
    ];
    const tokens = Array.from((await recording(recorded, 'tokens')).data, Number);
    // Too many tokens for the reference backend.
    return { wrongTokens: await countWrongTokens(model, [{ branches, tokens }], await createNodeOnnxBackend({ threads: 1 })) };
  },
};

/** Every recorded prior. */
export const priorCases: readonly ConversionCase[] = [
  ...dalleFolders.map(dallePytorchCase),
  mindallePriorCase,
  ...['gpt-c2i', 'gpt-t2i-mask'].map(llamagenPriorCase),
  minDallePriorCase('bart-small', 4),
  minDallePriorCase('bart-3layer', 2),
  minDallePipelineCase,
];
