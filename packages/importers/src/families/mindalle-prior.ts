import type { PriorConfiguration } from '@tesserae/transformer';
import type { Family, Ignorable, PeerFile, ReadingContext, WeightName } from './family.js';
import { countModules, extentOf, fieldsOf, priorPart, valueAt, wholeAt } from './reading.js';

const plainNames: Readonly<Record<string, string>> = {
  tok_emb_txt: 'text.tokens',
  pos_emb_txt: 'text.positions',
  tok_emb_img: 'image.tokens',
  pos_emb_img: 'image.positions',
  ln_f: 'norm',
  head_txt: 'head.text',
  head_img: 'head.image',
};

const blockNames: Readonly<Record<string, string>> = {
  ln1: 'attention.norm',
  'attn.proj': 'attention.output',
  ln2: 'mlp.norm',
  'mlp.0': 'mlp.expand',
  'mlp.2': 'mlp.contract',
};

/** Queries, keys and values are layers of their own there. */
export function* mindallePriorNames(layers: number): Iterable<WeightName> {
  for (const [peer, path] of Object.entries(plainNames)) yield* fieldsOf(peer, path);
  for (let layer = 0; layer < layers; layer += 1) {
    const block = `blocks.${layer}`;
    for (const [peer, path] of Object.entries(blockNames)) yield* fieldsOf(`${block}.${peer}`, `${block}.${path}`);
    for (const part of ['query', 'key', 'value']) yield* fieldsOf(`${block}.attn.${part}`, `${block}.attention.input`);
  }
}

const ignorable: readonly Ignorable[] = [{ pattern: /\.attn\.mask$/, reason: 'a mask, which follows from the sizes' }];

/** Channels of a head of the published model: 1536 in 24 heads. */
const publishedHeadSize = 64;

function configurationOf(file: PeerFile, { documents }: ReadingContext): { readonly configuration: PriorConfiguration; readonly headsAreKnown: boolean } {
  const { weights } = file;
  const all = [...documents.values()];
  const width = extentOf(file, 'tok_emb_img.weight', 1);
  const side = Math.sqrt(extentOf(file, 'pos_emb_img.weight', 0));
  const heads = all.map((document) => wholeAt(document, ['stage2', 'hparams', 'n_heads'])).find((value) => value !== undefined);
  const isApproximate = all.some((document) => valueAt(document, ['stage2', 'hparams', 'gelu_use_approx']) === true);
  const attentionBias = weights.has('blocks.0.attn.query.bias');
  return {
    headsAreKnown: heads !== undefined,
    configuration: {
      kind: 'prior',
      width,
      layers: countModules(weights, 'blocks.'),
      heads: heads ?? width / publishedHeadSize,
      textVocabularySize: extentOf(file, 'tok_emb_txt.weight', 0),
      textLength: extentOf(file, 'pos_emb_txt.weight', 0),
      grid: { rows: side, columns: side },
      codebookSize: extentOf(file, 'tok_emb_img.weight', 0),
      attention: 'full',
      // The id of its tokenizer's [PAD], unless that says another (`withPaddingToken`).
      condition: { kind: 'text', start: 'none', padding: 0 },
      positions: 'learned',
      block: {
        feedForward: isApproximate ? 'gelu-quick' : 'gelu',
        biases: { attentionInput: attentionBias, attentionOutput: attentionBias, feedForward: weights.has('blocks.0.mlp.0.bias'), head: weights.has('head_img.bias') },
      },
    },
  };
}

/** `stage2_last.ckpt` of minDALL-E: its transformer, `Transformer1d`. */
export const mindallePrior: Family = {
  name: 'mindalle-prior',
  title: "minDALL-E's second stage",
  recognises: (weights) => weights.has('tok_emb_txt.weight') && weights.has('tok_emb_img.weight') && weights.has('blocks.0.attn.query.weight'),
  read: (files, context) =>
    files.map((file) => {
      const { configuration, headsAreKnown } = configurationOf(file, context);
      const assumed =
        headsAreKnown || context.settings.heads !== undefined
          ? []
          : [`No file says how many heads attention has: ${configuration.heads}, as in the published model. --set heads=N says another.`];
      return priorPart(configuration, context, { names: mindallePriorNames(configuration.layers), weights: file.weights, ignorable, assumed });
    }),
};
