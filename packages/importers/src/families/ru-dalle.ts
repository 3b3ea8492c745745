import type { AttentionPattern, PriorConfiguration } from '@tesserae/transformer';
import type { Family, Ignorable, PeerFile, WeightName } from './family.js';
import { countModules, extentOf, fieldsOf, priorPart } from './reading.js';

const blockNames: Readonly<Record<string, string>> = {
  input_layernorm: 'attention.norm',
  'attention.query_key_value': 'attention.input',
  'attention.dense': 'attention.output',
  before_first_addition_layernorm: 'attention.outputNorm',
  post_attention_layernorm: 'mlp.norm',
  'mlp.dense_h_to_4h': 'mlp.expand',
  'mlp.dense_4h_to_h': 'mlp.contract',
  before_second_addition_layernorm: 'mlp.outputNorm',
};

/** Its one output layer has the text's rows first; of its text positions, one is left over from an earlier version. */
export function* ruDalleNames({
  layers,
  textVocabularySize,
  textLength,
  codebookSize,
}: Pick<PriorConfiguration, 'layers' | 'textVocabularySize' | 'textLength' | 'codebookSize'>): Iterable<WeightName> {
  const texts = textVocabularySize + textLength;
  yield { peer: 'text_embeddings.weight', path: 'text.tokens.weight' };
  yield { peer: 'text_pos_embeddings.weight', path: 'text.positions.weight', rows: [0, textLength] };
  yield { peer: 'image_embeddings.weight', path: 'image.tokens.weight' };
  yield { peer: 'image_row_embeddings.weight', path: 'image.rows.weight' };
  yield { peer: 'image_col_embeddings.weight', path: 'image.columns.weight' };
  yield* fieldsOf('transformer.final_layernorm', 'norm');
  yield* fieldsOf('to_logits.0', 'head.norm');
  for (const field of ['weight', 'bias']) {
    yield { peer: `to_logits.1.${field}`, path: `head.text.${field}`, rows: [0, texts] };
    yield { peer: `to_logits.1.${field}`, path: `head.image.${field}`, rows: [texts, texts + codebookSize] };
  }
  for (let layer = 0; layer < layers; layer += 1) {
    for (const [peer, path] of Object.entries(blockNames)) yield* fieldsOf(`transformer.layers.${layer}.${peer}`, `blocks.${layer}.${path}`);
  }
}

/** Heads of the published models by width, Malevich and its kind and Kandinsky; 64 channels each where the table has none. */
const publishedHeads: ReadonlyMap<number, number> = new Map([
  [2048, 16],
  [3840, 60],
]);

/** Column at layers 2, 6, 10, …; the last one sees its neighbourhood, unless it is a column; rows else. */
export function ruDallePatterns(layers: number): AttentionPattern[] {
  return Array.from({ length: layers }, (_, index) => (index > 0 && (index - 1) % 4 === 0 ? 'column' : index === layers - 1 ? 'neighbourhood' : 'row'));
}

function configurationOf(file: PeerFile): PriorConfiguration {
  const width = extentOf(file, 'text_embeddings.weight', 1);
  const layers = countModules(file.weights, 'transformer.layers.');
  const textLength = extentOf(file, 'text_pos_embeddings.weight', 0) - 1;
  return {
    kind: 'prior',
    width,
    layers,
    heads: publishedHeads.get(width) ?? width / 64,
    textVocabularySize: extentOf(file, 'text_embeddings.weight', 0) - textLength,
    textLength,
    grid: { rows: extentOf(file, 'image_row_embeddings.weight', 0), columns: extentOf(file, 'image_col_embeddings.weight', 0) },
    codebookSize: extentOf(file, 'image_embeddings.weight', 0),
    attention: ruDallePatterns(layers),
    condition: { kind: 'text', start: 'none' },
    positions: 'rows-columns',
    headNorm: true,
    block: { normPlacement: 'sandwich', feedForward: 'gelu-tanh', hidden: extentOf(file, 'transformer.layers.0.mlp.dense_h_to_4h.weight', 0) },
  };
}

function ignorableOf({ textLength }: PriorConfiguration): readonly Ignorable[] {
  return [
    { pattern: /^transformer\.(row|col|conv)_mask$/, reason: 'a mask, which follows from the sizes' },
    { pattern: /^text_pos_embeddings\.weight$/, rows: [textLength, textLength + 1], reason: 'the position of a start token, which only its second version has' },
  ];
}

/** `pytorch_model.bin` of ru-dalle: Malevich, Emojich, Surrealist, Kandinsky. */
export const ruDalle: Family = {
  name: 'ru-dalle',
  title: "ru-dalle's transformer",
  recognises: (weights) => weights.has('image_row_embeddings.weight') && weights.has('transformer.layers.0.before_first_addition_layernorm.weight'),
  read: (files, context) =>
    files.map((file) => {
      const configuration = configurationOf(file);
      const { heads } = configuration;
      return priorPart(configuration, context, {
        names: ruDalleNames(configuration),
        weights: file.weights,
        ignorable: ignorableOf(configuration),
        assumed: [
          ...(context.settings.heads === undefined ? [`No file says how many heads attention has: ${heads}, as published models of this width. --set heads=N says another.`] : []),
          'Read as its third version, without a start token before the text: nothing in a file tells it from the second.',
        ],
      });
    }),
};
