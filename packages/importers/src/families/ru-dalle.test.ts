import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createParameterTree, deriveKey, float32Array, type HostArray, int32Array, keyFromSeed, normalArray, sizeOf, trace } from '@tesserae/core';
import { openModelFolder, writeSafetensorsFile } from '@tesserae/core/node';
import { createReferenceBackend } from '@tesserae/core/reference';
import { padText, parsePriorConfiguration, priorLogits } from '@tesserae/transformer';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { convertCheckpoint } from '../node/convert-checkpoint.js';

/*
 * No run of ru-dalle was recorded. Its network is written out here as it is described, in plain double precision, and a converted checkpoint of
 * random weights must compute the same.
 */

const [width, heads, layers, textLength, side, codes, texts, kernel] = [16, 2, 3, 4, 5, 7, 6, 3] as const;
const positions = side * side;
const tokens = texts + textLength;

const shapes: Readonly<Record<string, readonly number[]>> = {
  'text_embeddings.weight': [tokens, width],
  'image_embeddings.weight': [codes, width],
  'text_pos_embeddings.weight': [textLength + 1, width],
  'image_row_embeddings.weight': [side, width],
  'image_col_embeddings.weight': [side, width],
  'to_logits.0.weight': [width],
  'to_logits.0.bias': [width],
  'to_logits.1.weight': [tokens + codes, width],
  'to_logits.1.bias': [tokens + codes],
  'transformer.final_layernorm.weight': [width],
  'transformer.final_layernorm.bias': [width],
  'transformer.row_mask': [2, 2],
  'transformer.conv_mask': [2, 2],
  ...Object.fromEntries(
    Array.from({ length: layers }, (_, layer) => {
      const norms = ['input_layernorm', 'before_first_addition_layernorm', 'before_second_addition_layernorm', 'post_attention_layernorm'];
      const dense = {
        'attention.query_key_value': [3 * width, width],
        'attention.dense': [width, width],
        'mlp.dense_h_to_4h': [4 * width, width],
        'mlp.dense_4h_to_h': [width, 4 * width],
      };
      const at = `transformer.layers.${layer}.`;
      return [
        ...norms.flatMap((norm): [string, number[]][] => [
          [`${at}${norm}.weight`, [width]],
          [`${at}${norm}.bias`, [width]],
        ]),
        ...Object.entries(dense).flatMap(([name, shape]): [string, number[]][] => [
          [`${at}${name}.weight`, shape],
          [`${at}${name}.bias`, shape.slice(0, 1)],
        ]),
      ];
    }).flat(),
  ),
};

const weights = new Map(
  Object.entries(shapes).map(([name, shape]): [string, HostArray] => {
    const numbers = normalArray(deriveKey(keyFromSeed(11), name), sizeOf(shape));
    return [name, float32Array(shape, shape.length === 1 && name.endsWith('weight') ? numbers.map((value) => 1 + value / 4) : numbers.map((value) => value / 3))];
  }),
);

type Rows = readonly (readonly number[])[];
const at = (name: string): ArrayLike<number> => {
  const array = weights.get(name);
  if (array === undefined) throw new Error(`there is no ${name}`);
  return array.data;
};
const rowOf = (name: string, row: number): number[] => Array.from({ length: width }, (_, channel) => at(name)[row * width + channel] ?? 0);
const plus = (...rows: Rows): number[] => Array.from({ length: rows[0]?.length ?? 0 }, (_, channel) => rows.reduce((sum, row) => sum + (row[channel] ?? 0), 0));

function layerNorm(name: string, row: readonly number[]): number[] {
  const mean = row.reduce((sum, value) => sum + value, 0) / row.length;
  const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length;
  return row.map((value, channel) => ((value - mean) / Math.sqrt(variance + 1e-5)) * (at(`${name}.weight`)[channel] ?? 0) + (at(`${name}.bias`)[channel] ?? 0));
}

function dense(name: string, row: readonly number[]): number[] {
  const bias = at(`${name}.bias`);
  return Array.from({ length: bias.length }, (_, out) =>
    row.reduce((sum, value, channel) => sum + value * (at(`${name}.weight`)[out * row.length + channel] ?? 0), bias[out] ?? 0),
  );
}

const geluTanh = (x: number): number => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

/** Column where (layer − 1) mod 4 is 0, the last layer by convolution, rows else. */
function sees(layer: number, query: number, key: number): boolean {
  if (key > query) return false;
  if (key < textLength) return true;
  const [q, k] = [query - textLength, key - textLength];
  if ((layer + 3) % 4 === 0) return (q - k) % side === 0;
  if (layer < layers - 1) return q - k <= side;
  const half = (kernel - 1) / 2;
  return Math.floor(q / side) - Math.floor(k / side) <= half && Math.abs((q % side) - (k % side)) <= half;
}

function attend(layer: number, rows: Rows): number[][] {
  const joint = rows.map((row) => dense(`transformer.layers.${layer}.attention.query_key_value`, row));
  const size = width / heads;
  return rows.map((_, query) => {
    const joined = Array.from({ length: heads }, (__, head) => {
      const part = (position: number, third: number): number[] => (joint[position] ?? []).slice(third * width + head * size, third * width + (head + 1) * size);
      const scores = rows.map((___, key) => {
        const score = part(query, 0).reduce((sum, value, channel) => sum + value * (part(key, 1)[channel] ?? 0), 0) / Math.sqrt(size);
        return sees(layer, query, key) ? score : -10_000;
      });
      const largest = Math.max(...scores);
      const shares = scores.map((score) => Math.exp(score - largest));
      const total = shares.reduce((sum, share) => sum + share, 0);
      return plus(...rows.map((___, key) => part(key, 2).map((value) => (value * (shares[key] ?? 0)) / total)));
    }).flat();
    return dense(`transformer.layers.${layer}.attention.dense`, joined);
  });
}

/** Logits of every position over text ids and codes: [positions of text and image, all]. */
function forward(text: readonly number[], image: readonly number[]): number[][] {
  const ids = Array.from({ length: textLength }, (_, position) => text[position] ?? texts + position);
  let rows: number[][] = [
    ...ids.map((id, position) => plus(rowOf('text_embeddings.weight', id), rowOf('text_pos_embeddings.weight', position))),
    ...image.map((code, position) =>
      plus(rowOf('image_embeddings.weight', code), rowOf('image_row_embeddings.weight', Math.floor(position / side)), rowOf('image_col_embeddings.weight', position % side)),
    ),
  ];
  for (let layer = 0; layer < layers; layer += 1) {
    const block = `transformer.layers.${layer}.`;
    const attended = attend(
      layer,
      rows.map((row) => layerNorm(`${block}input_layernorm`, row)),
    );
    rows = rows.map((row, position) => plus(row, layerNorm(`${block}before_first_addition_layernorm`, attended[position] ?? [])));
    rows = rows.map((row) => {
      const hidden = dense(`${block}mlp.dense_h_to_4h`, layerNorm(`${block}post_attention_layernorm`, row)).map(geluTanh);
      return plus(row, layerNorm(`${block}before_second_addition_layernorm`, dense(`${block}mlp.dense_4h_to_h`, hidden)));
    });
  }
  return rows.map((row) => dense('to_logits.1', layerNorm('to_logits.0', layerNorm('transformer.final_layernorm', row))));
}

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-ru-dalle-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it("ru-dalle's transformer converts, and computes what its description does", async () => {
  await writeSafetensorsFile(join(folder, 'model.safetensors'), weights);
  const out = join(folder, 'model');
  const { parts } = await convertCheckpoint([join(folder, 'model.safetensors')], { out, settings: { heads, convolutionKernel: kernel } });
  expect(parts).toMatchObject([
    {
      part: 'prior',
      family: 'ru-dalle',
      configuration: { textVocabularySize: texts, attention: ['row', 'column', 'neighbourhood'] },
      ignored: [{ name: 'text_pos_embeddings.weight, rows 4 to 5' }, { name: 'transformer.row_mask' }, { name: 'transformer.conv_mask' }],
    },
  ]);
  const model = await openModelFolder(out);
  const configuration = parsePriorConfiguration(await model.readJson('prior', 'config.json'));
  const text = [3, 1];
  const image = Array.from({ length: positions }, (_, position) => (position * 5) % codes);
  const backend = createReferenceBackend();
  const program = await backend.compile(
    trace('ru-dalle', (scope) => {
      const logits = priorLogits(
        createParameterTree(scope, 'constant').root,
        configuration,
        { text: scope.input('text', [1, textLength], 'int32') },
        scope.input('codes', [1, positions], 'int32'),
      );
      scope.output('image', logits.image);
      if (logits.text !== undefined) scope.output('text', logits.text);
    }),
    { weights: await model.openWeights('prior') },
  );
  const results = await program.run({ text: int32Array([1, textLength], padText(configuration, text)), codes: int32Array([1, positions], Int32Array.from(image)) });
  const expected = forward(text, image);
  // The last text position predicts the first code, the last code nothing.
  const images = expected.slice(textLength - 1, -1).flatMap((row) => row.slice(tokens));
  const captions = expected.slice(0, textLength - 1).flatMap((row) => row.slice(0, tokens));
  expect(results.image?.data).toHaveLength(images.length);
  expect(results.text?.data).toHaveLength(captions.length);
  const largest = (ours: ArrayLike<number> | undefined, theirs: readonly number[]): number =>
    Math.max(...theirs.map((value, index) => Math.abs(value - (ours?.[index] ?? Number.NaN))));
  expect(largest(results.image?.data, images)).toBeLessThan(2e-5);
  expect(largest(results.text?.data, captions)).toBeLessThan(2e-5);
});
