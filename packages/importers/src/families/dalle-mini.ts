import { TesseraeError } from '@tesserae/core';
import type { PriorConfiguration } from '@tesserae/transformer';
import type { CheckpointTensor } from '../checkpoint.js';
import { dalleMiniConfiguration, missingGains, publishedHeadSize } from './dalle-mini-network.js';
import type { Family, PeerFile, ReadingContext, WeightName, Weights } from './family.js';
import { countModules, extentOf, priorPart, valueAt, wholeAt } from './reading.js';

/** Dense layers keep matrices as [in, out]. */
const denseAxes = [1, 0] as const;
const stackedDenseAxes = [0, 2, 1] as const;

/** Our part of a block → the peer's dense layers that follow one another in it. Value before gate: its `Dense_1` is the value, `Dense_0` the gate. */
type Parts = Readonly<Record<string, readonly string[]>>;
const kernels = (module: string, names: readonly string[]): readonly string[] => names.map((name) => `${module}/${name}/kernel`);

const selfAttention: Parts = {
  'attention.input.weight': kernels('FlaxBartAttention_0', ['q_proj', 'k_proj', 'v_proj']),
  'attention.output.weight': kernels('FlaxBartAttention_0', ['out_proj']),
};
const crossAttention: Parts = {
  'crossAttention.queries.weight': kernels('FlaxBartAttention_1', ['q_proj']),
  'crossAttention.memory.weight': kernels('FlaxBartAttention_1', ['k_proj', 'v_proj']),
  'crossAttention.output.weight': kernels('FlaxBartAttention_1', ['out_proj']),
};
const feedForward: Parts = {
  'mlp.expand.weight': kernels('GLU_0', ['Dense_1', 'Dense_0']),
  'mlp.contract.weight': kernels('GLU_0', ['Dense_2']),
};

/** Norms are numbered in the order of their use: the second of each attention stands behind it. */
const encoderNorms: Readonly<Record<string, string>> = {
  'attention.norm': 'LayerNorm_0',
  'attention.outputNorm': 'LayerNorm_1',
  'mlp.norm': 'GLU_0/LayerNorm_0',
  'mlp.hiddenNorm': 'GLU_0/LayerNorm_1',
};
const decoderNorms: Readonly<Record<string, string>> = { ...encoderNorms, 'crossAttention.norm': 'LayerNorm_2', 'crossAttention.outputNorm': 'LayerNorm_3' };

interface Tower {
  /** `Encoder` or `Decoder`, as its modules say. */
  readonly kind: 'Encoder' | 'Decoder';
  readonly layers: number;
  /** Our place of it. */
  readonly path: string;
}

const below = ({ kind }: Tower): string => `model/${kind.toLowerCase()}`;
const stackOf = (tower: Tower): string => `${below(tower)}/layers/FlaxBart${tower.kind}Layers`;

/** Layers lie on top of one another in every tensor, along a first axis: each line is one of them. */
function* towerNames(tower: Tower): Iterable<WeightName> {
  const { kind, layers, path } = tower;
  const ends = { embeddingNorm: 'layernorm_embedding', norm: 'final_ln' };
  for (const [ours, peer] of Object.entries(ends)) {
    yield { peer: `${below(tower)}/${peer}/scale`, path: `${path}${ours}.weight` };
    yield { peer: `${below(tower)}/${peer}/bias`, path: `${path}${ours}.bias` };
  }
  const dense = kind === 'Encoder' ? { ...selfAttention, ...feedForward } : { ...selfAttention, ...crossAttention, ...feedForward };
  for (let layer = 0; layer < layers; layer += 1) {
    const line = { rows: [layer, layer + 1], merged: true } as const;
    const block = `${path}blocks.${layer}.`;
    for (const [ours, peers] of Object.entries(dense)) {
      for (const peer of peers) yield { peer: `${stackOf(tower)}/${peer}`, path: `${block}${ours}`, transform: { axes: stackedDenseAxes }, ...line };
    }
    for (const [ours, peer] of Object.entries(kind === 'Encoder' ? encoderNorms : decoderNorms)) {
      yield { peer: `${stackOf(tower)}/${peer}/scale`, path: `${block}${ours}.weight`, ...line };
      yield { peer: `${stackOf(tower)}/${peer}/bias`, path: `${block}${ours}.bias`, ...line };
    }
  }
}

/** dalle-mini's names in Flax, of models whose layers are stacked (`use_scan`). */
export function* dalleMiniNames(encoderLayers: number, decoderLayers: number): Iterable<WeightName> {
  for (const [tower, places] of [
    ['encoder', 'encoder.text'],
    ['decoder', 'image'],
  ] as const) {
    yield { peer: `model/${tower}/embed_tokens/embedding`, path: `${places}.tokens.weight` };
    yield { peer: `model/${tower}/embed_positions/embedding`, path: `${places}.positions.weight` };
  }
  yield { peer: 'lm_head/kernel', path: 'head.image.weight', transform: { axes: denseAxes } };
  yield* towerNames({ kind: 'Encoder', layers: encoderLayers, path: 'encoder.' });
  yield* towerNames({ kind: 'Decoder', layers: decoderLayers, path: '' });
}

const single = /^(model\/(encoder|decoder)\/layers\/FlaxBart(?:Encoder|Decoder)Layer)_(\d+)\/(.+)$/;

/** Tensors of which several follow one another as rows, read one by one. */
function stacked(name: string, [first, ...others]: readonly [CheckpointTensor, ...CheckpointTensor[]]): CheckpointTensor {
  const all = [first, ...others];
  const readRange: NonNullable<CheckpointTensor['readRange']> = async (offset, length, options) => {
    // A line of the table asks for one layer.
    const bytes = await all[offset / first.byteLength]?.read(options);
    if (bytes === undefined || length !== first.byteLength) throw new RangeError(`'${name}' is read layer by layer`);
    return bytes;
  };
  const { stream: _pieces, ...rest } = first;
  return {
    ...rest,
    name,
    shape: [all.length, ...first.shape],
    byteLength: all.length * first.byteLength,
    storage: name,
    readRange,
    async read(options) {
      const bytes = new Uint8Array(all.length * first.byteLength);
      for (const [layer, tensor] of all.entries()) bytes.set(await tensor.read(options), layer * first.byteLength);
      return bytes;
    },
  };
}

/** Models trained without `use_scan` keep each layer apart (`FlaxBartEncoderLayer_3`): the same tree with its layers stacked. */
function withLayersStacked(weights: Weights): Weights {
  const result = new Map<string, CheckpointTensor>();
  const layers = new Map<string, CheckpointTensor[]>();
  for (const [name, tensor] of weights) {
    const [, module, , layer, rest] = single.exec(name) ?? [];
    if (module === undefined) {
      result.set(name, tensor);
      continue;
    }
    const key = `${module}s/${rest}`;
    const list = layers.get(key) ?? [];
    list[Number(layer)] = tensor;
    layers.set(key, list);
  }
  for (const [key, list] of layers) {
    const [first, ...others] = list;
    const isAlike = (tensor: CheckpointTensor | undefined): boolean => tensor !== undefined && tensor.dtype === first?.dtype && tensor.byteLength === first.byteLength;
    // What is missing or of another size stays away, and is missed by name.
    if (first !== undefined && Array.from(others).every(isAlike)) result.set(key, stacked(key, [first, ...others]));
  }
  return result;
}

/** What stands in a `config.json` of the published models' kind, and what of it is another network. */
const required: Readonly<Record<string, readonly unknown[]>> = {
  ln_positions: ['normformer'],
  ln_type: ['layernorm'],
  use_glu: [true],
  use_bias: [false],
  activation_function: ['gelu'],
  use_head_scale: [false],
  use_cosine_attention: [false],
  use_absolute_position_embeddings: [true],
  use_swin_position_embeddings: [false],
  use_alibi: [false],
  use_deepnet_scaling: [false],
  scale_embedding: [false],
  tie_word_embeddings: [false],
  sinkhorn_iters: [1],
};

function checkOptions(name: string, documents: ReadingContext['documents']): void {
  for (const document of documents.values()) {
    for (const [option, allowed] of Object.entries(required)) {
      const value = valueAt(document, [option]);
      if (value === undefined || value === null || allowed.includes(value)) continue;
      throw new TesseraeError('model-incompatible', `${name}: the model's config.json has ${option} = ${JSON.stringify(value)}, which is another network.`, {
        remedy: `Convertible are models with ${option} = ${JSON.stringify(allowed[0])}, as DALL-E mini and mega.`,
        details: { option, value },
      });
    }
  }
}

/** Norms that feed a dense layer have no gain unless `force_ln_scale` was set. */
const withoutGain = /^(model\/(?:encoder|decoder)\/(?:final_ln|layers\/FlaxBart(?:Encoder|Decoder)Layers\/(?:LayerNorm_[02]|GLU_0\/LayerNorm_[01])))\/bias$/;

function gainOf(bias: string): string | undefined {
  const norm = withoutGain.exec(bias)?.[1];
  return norm === undefined ? undefined : `${norm}/scale`;
}

interface Read {
  readonly configuration: PriorConfiguration;
  /** Whether a file says these. */
  readonly known: { readonly heads: boolean; readonly start: boolean };
}

function configurationOf(file: PeerFile, documents: ReadingContext['documents']): Read {
  const said = (key: string): number | undefined => Array.from(documents.values(), (document) => wholeAt(document, [key])).find((value) => value !== undefined);
  const layersOf = (kind: 'Encoder' | 'Decoder'): number => extentOf(file, `${stackOf({ kind, layers: 0, path: '' })}/FlaxBartAttention_0/q_proj/kernel`, 0);
  const configuration = dalleMiniConfiguration({
    width: extentOf(file, 'lm_head/kernel', 0),
    layers: layersOf('Decoder'),
    encoderLayers: layersOf('Encoder'),
    hidden: extentOf(file, `${stackOf({ kind: 'Decoder', layers: 0, path: '' })}/GLU_0/Dense_0/kernel`, 2),
    textVocabularySize: extentOf(file, 'model/encoder/embed_tokens/embedding', 0),
    textLength: extentOf(file, 'model/encoder/embed_positions/embedding', 0),
    side: Math.sqrt(extentOf(file, 'model/decoder/embed_positions/embedding', 0)),
    imageVocabularySize: extentOf(file, 'model/decoder/embed_tokens/embedding', 0),
  });
  const { condition } = configuration;
  const [heads, startToken] = [said('decoder_attention_heads'), said('decoder_start_token_id')];
  return {
    configuration: {
      ...configuration,
      ...(heads === undefined ? {} : { heads }),
      ...(startToken === undefined || condition?.kind !== 'encoder' ? {} : { condition: { ...condition, startToken } }),
    },
    known: { heads: heads !== undefined, start: startToken !== undefined },
  };
}

const isDalleMini = (weights: Weights): boolean =>
  weights.has('lm_head/kernel') &&
  weights.has('model/encoder/embed_tokens/embedding') &&
  (countModules(weights, 'model/decoder/layers/FlaxBartDecoderLayer_') > 0 || weights.has('model/decoder/layers/FlaxBartDecoderLayers/FlaxBartAttention_0/q_proj/kernel'));

/** `flax_model.msgpack` of dalle-mini: DALL-E mini and mega. */
export const dalleMini: Family = {
  name: 'dalle-mini',
  title: "dalle-mini's transformer in Flax",
  recognises: isDalleMini,
  read: (files, context) =>
    files.map((file) => {
      checkOptions(file.name, context.documents);
      const weights = withLayersStacked(file.weights);
      const { configuration, known } = configurationOf({ ...file, weights }, context.documents);
      const { condition, heads, layers } = configuration;
      const gains = missingGains(weights, gainOf);
      return priorPart(configuration, context, {
        names: dalleMiniNames(condition?.kind === 'encoder' ? condition.layers : 0, layers),
        weights: new Map([...weights, ...gains]),
        assumed: [
          ...(known.heads || context.settings.heads !== undefined
            ? []
            : [`No config.json says how many heads attention has: ${heads}, ${publishedHeadSize} channels each. --set heads=N says another.`]),
          ...(known.start || context.settings.condition !== undefined ? [] : ['No config.json says which code stands before the picture: the last, as DALL-E mini was trained.']),
          ...(gains.size === 0 ? [] : [`${gains.size} gains of norms are not in the file, which leaves out what is 1.`]),
        ],
      });
    }),
};
