import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openModelFolder, readSafetensorsFile } from '@tesserae/core/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type WrittenArray, writeFlax } from '../__fixtures__/writers.js';
import { readArray, stateDictionary } from '../checkpoint.js';
import { convertCheckpoint } from '../node/convert-checkpoint.js';
import { openCheckpointFile } from '../node/open-checkpoint-file.js';

/*
 * No run of dalle-mini was recorded. min-dalle, whose runs were, is the same network under other names: its recorded weights laid out as
 * dalle-mini's Flax tree must convert to the same numbers and the same configuration, bit by bit.
 */

const recorded = (name: string): string => fileURLToPath(new URL(`../__fixtures__/peers/min-dalle/bart-small/${name}.pt`, import.meta.url));

/** min-dalle's module of a layer → dalle-mini's. */
const modules: readonly (readonly [RegExp, string])[] = [
  [/^pre_self_attn_layer_norm/, 'LayerNorm_0'],
  [/^self_attn_layer_norm/, 'LayerNorm_1'],
  [/^pre_encoder_attn_layer_norm/, 'LayerNorm_2'],
  [/^encoder_attn_layer_norm/, 'LayerNorm_3'],
  [/^self_attn\.(\w+)/, 'FlaxBartAttention_0/$1'],
  [/^encoder_attn\.(\w+)/, 'FlaxBartAttention_1/$1'],
  [/^glu\.ln(\d)/, 'GLU_0/LayerNorm_$1'],
  [/^glu\.fc(\d)/, 'GLU_0/Dense_$1'],
];

function transposed({ shape, data }: WrittenArray): WrittenArray {
  const [rows = 1, columns = 1] = shape;
  return { shape: [columns, rows], data: Float32Array.from({ length: rows * columns }, (_, index) => data[(index % rows) * columns + Math.floor(index / rows)] ?? 0) };
}

/** A module's field as Flax has it: norms have a scale, embeddings an embedding, dense layers a kernel of [in, out]. */
function flaxField(module: string, field: string, array: WrittenArray): readonly [string, WrittenArray] {
  if (field === 'bias') return [`${module}/bias`, array];
  if (array.shape.length === 1) return [`${module}/scale`, array];
  return module.includes('embed_') ? [`${module}/embedding`, array] : [`${module}/kernel`, transposed(array)];
}

/** The tree without `use_scan`: one module a layer. */
async function unstackedTree(): Promise<Map<string, WrittenArray>> {
  const tree = new Map<string, WrittenArray>();
  for (const tower of ['encoder', 'decoder'] as const) {
    const kind = tower === 'encoder' ? 'Encoder' : 'Decoder';
    for (const [name, tensor] of stateDictionary(await openCheckpointFile(recorded(tower)))) {
      const { shape, data } = await readArray(tensor);
      const array = { shape, data: Array.from(data, Number) };
      const [, path = '', field = ''] = /^(.+)\.(\w+)$/.exec(name) ?? [];
      const [, layer, module = ''] = /^layers\.(\d+)\.(.+)$/.exec(path) ?? [];
      const inLayer = modules.find(([pattern]) => pattern.test(module));
      const flaxModule = inLayer === undefined ? path : `layers/FlaxBart${kind}Layer_${layer}/${module.replace(...inLayer)}`;
      const [key, made] = flaxField(path === 'lm_head' ? path : `model/${tower}/${flaxModule}`, field, array);
      tree.set(key, made);
    }
  }
  return tree;
}

/** With `use_scan`: the layers of each module on top of one another. */
function stackedTree(tree: ReadonlyMap<string, WrittenArray>): Map<string, WrittenArray> {
  const stacked = new Map<string, WrittenArray>();
  for (const [name, { shape, data }] of tree) {
    const key = name.replace(/Layer_\d+/, 'Layers');
    const before = stacked.get(key);
    const isLayer = key !== name;
    const count = (before?.shape[0] ?? 0) + 1;
    stacked.set(key, isLayer ? { shape: [count, ...shape], data: [...Array.from(before?.data ?? []), ...Array.from(data)] } : { shape, data });
  }
  return stacked;
}

let folder = '';
let tree = new Map<string, WrittenArray>();
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-dalle-mini-'));
  tree = await unstackedTree();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const settings = { heads: 4 };

async function convertTree(name: string, tensors: ReadonlyMap<string, WrittenArray>, config?: object) {
  await rm(join(folder, 'config.json'), { force: true });
  if (config !== undefined) await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  await writeFile(join(folder, `${name}.msgpack`), writeFlax(tensors));
  const report = await convertCheckpoint([join(folder, `${name}.msgpack`)], { out: join(folder, name), ...(config === undefined ? { settings } : {}) });
  return {
    report,
    configuration: await (await openModelFolder(join(folder, name))).readJson('prior', 'config.json'),
    arrays: (await readSafetensorsFile(join(folder, name, 'prior/model.safetensors'))).arrays,
  };
}

describe('dalle-mini', () => {
  it("in Flax is the network that min-dalle's recorded runs prove, with its layers stacked or apart", async () => {
    await convertCheckpoint(['encoder', 'decoder'].map(recorded), { out: join(folder, 'truth'), settings });
    const truth = (await readSafetensorsFile(join(folder, 'truth/prior/model.safetensors'))).arrays;
    const expected = await (await openModelFolder(join(folder, 'truth'))).readJson('prior', 'config.json');
    for (const [name, tensors] of Object.entries({ apart: tree, stacked: stackedTree(tree) })) {
      const { report, configuration, arrays } = await convertTree(name, tensors);
      expect(report.parts).toMatchObject([{ part: 'prior', family: 'dalle-mini', ignored: [] }]);
      expect(configuration).toEqual(expected);
      expect(arrays).toEqual(truth);
    }
  });

  it('reads heads and the start token off its config.json, and has ones where norms have no gain', async () => {
    const published = new Map(Array.from(stackedTree(tree)).filter(([name]) => !/(final_ln|LayerNorm_[02]|GLU_0\/LayerNorm_[01])\/scale$/.test(name)));
    const config = { decoder_attention_heads: 4, decoder_start_token_id: 3, ln_positions: 'normformer', use_glu: true };
    const { report, configuration, arrays } = await convertTree('published', published, config);
    expect(configuration).toMatchObject({ heads: 4, condition: { kind: 'encoder', startToken: 3 } });
    // Of each tower: two in self-attention's and the feed-forward layer's three, one before cross-attention, one at the end.
    expect(report.parts[0]?.assumed).toEqual([expect.stringContaining('9 gains')]);
    expect(Array.from(arrays.get('blocks.1.mlp.hiddenNorm.weight')?.data ?? [])).toEqual(new Array(44).fill(1));
  });

  it('refuses what is another network, by the name of the option or of the tensor', async () => {
    await expect(convertTree('deepnet', stackedTree(tree), { ln_positions: 'deepnet' })).rejects.toThrow('ln_positions = "deepnet", which is another network');
    const scaled = new Map(stackedTree(tree)).set('model/encoder/layers/FlaxBartEncoderLayers/FlaxBartAttention_0/head_scale', {
      shape: [2, 1, 1, 4, 1],
      data: new Float32Array(8),
    });
    await expect(convertTree('scaled', scaled)).rejects.toThrow('head_scale');
    const halfLayer = new Map(tree);
    halfLayer.delete('model/decoder/layers/FlaxBartDecoderLayer_1/GLU_0/Dense_2/kernel');
    await expect(convertTree('half', halfLayer)).rejects.toThrow('GLU_0/Dense_2/kernel');
  });
});
