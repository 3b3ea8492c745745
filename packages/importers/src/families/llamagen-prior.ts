import type { PriorConfiguration } from '@tesserae/transformer';
import type { Family, PeerFile, ReadingContext, WeightName } from './family.js';
import { countModules, extentOf, priorPart } from './reading.js';

const plainNames: Readonly<Record<string, string>> = {
  'tok_embeddings.weight': 'image.tokens.weight',
  'cls_embedding.embedding_table.weight': 'text.tokens.weight',
  'cls_embedding.cap_proj.fc1.weight': 'features.expand.weight',
  'cls_embedding.cap_proj.fc2.weight': 'features.contract.weight',
  'cls_embedding.uncond_embedding': 'features.none.weight',
  'norm.weight': 'norm.weight',
  'output.weight': 'head.image.weight',
};

/** Value before gate: the peer's `w3` is the value, its `w1` the gate. */
const blockNames: Readonly<Record<string, readonly string[]>> = {
  'attention.norm': ['attention_norm'],
  'attention.input': ['attention.wqkv'],
  'attention.output': ['attention.wo'],
  'mlp.norm': ['ffn_norm'],
  'mlp.expand': ['feed_forward.w3', 'feed_forward.w1'],
  'mlp.contract': ['feed_forward.w2'],
};

export function* llamagenPriorNames(layers: number): Iterable<WeightName> {
  for (const [peer, path] of Object.entries(plainNames)) yield { peer, path };
  for (let layer = 0; layer < layers; layer += 1) {
    for (const [path, peers] of Object.entries(blockNames)) {
      for (const peer of peers) yield { peer: `layers.${layer}.${peer}.weight`, path: `blocks.${layer}.${path}.weight` };
    }
  }
}

/** Channels of a head of the published models, by width; 64 where the table has none. */
const publishedHeadSizes: ReadonlyMap<number, number> = new Map([
  [3200, 100],
  [4096, 128],
]);
/** Codes a side: 256 pixels, 16 a code. */
const publishedSide = 16;

function configurationOf(file: PeerFile): PriorConfiguration {
  const { weights } = file;
  const width = extentOf(file, 'tok_embeddings.weight', 1);
  const readsCaptions = weights.has('cls_embedding.uncond_embedding');
  return {
    kind: 'prior',
    width,
    layers: countModules(weights, 'layers.'),
    heads: width / (publishedHeadSizes.get(width) ?? 64),
    // The last row of the table is no class: it is told when there is none.
    textVocabularySize: readsCaptions ? 0 : extentOf(file, 'cls_embedding.embedding_table.weight', 0) - 1,
    textLength: readsCaptions ? extentOf(file, 'cls_embedding.uncond_embedding', 0) : 1,
    grid: { rows: publishedSide, columns: publishedSide },
    codebookSize: extentOf(file, 'tok_embeddings.weight', 0),
    attention: 'full',
    condition: readsCaptions ? { kind: 'features', width: extentOf(file, 'cls_embedding.uncond_embedding', 1) } : { kind: 'class' },
    positions: 'rotary-grid',
    block: {
      norm: 'rms',
      feedForward: 'swiglu',
      hidden: extentOf(file, 'layers.0.feed_forward.w1.weight', 0),
      biases: { attentionInput: false, attentionOutput: false, feedForward: false, head: false },
    },
  };
}

function assumedOf({ heads }: PriorConfiguration, { settings }: ReadingContext): string[] {
  return [
    ...(settings.heads === undefined ? [`No file says how many heads attention has: ${heads}, as published models of this width. --set heads=N says another.`] : []),
    ...(settings.grid === undefined
      ? [`No file says how many codes a picture has: ${publishedSide} × ${publishedSide}, as models of 256 pixels. --set 'grid={"rows":24,"columns":24}' says another.`]
      : []),
  ];
}

/** `c2i_B_256.pt`, `t2i_XL_stage1_256.pt` and their kind: the transformer of LlamaGen, told a class or a caption's features. */
export const llamagenPrior: Family = {
  name: 'llamagen-prior',
  title: "LlamaGen's transformer",
  recognises: (weights) => weights.has('tok_embeddings.weight') && Array.from(weights.keys()).some((name) => name.startsWith('cls_embedding.')),
  read: (files, context) =>
    files.map((file) => {
      const configuration = configurationOf(file);
      return priorPart(configuration, context, { names: llamagenPriorNames(configuration.layers), weights: file.weights, assumed: assumedOf(configuration, context) });
    }),
};
