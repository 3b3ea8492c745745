import type { ParameterSpec } from '@tesserae/core';
import { choicesOf, type PriorConfiguration, priorParameters } from '@tesserae/transformer';
import { blockTensorNames } from './dalle-pytorch-blocks.js';
import type { WeightName } from './family.js';
import { llamagenPriorNames } from './llamagen-prior.js';
import { minDallePriorNames } from './min-dalle-prior.js';
import { mindallePriorNames } from './mindalle-prior.js';

/** A tensor of a peer, made of ours: rows of them behind one another. */
export interface ExportedTensor {
  readonly peer: string;
  readonly shape: readonly number[];
  readonly parts: readonly { readonly path: string; readonly rows: readonly [from: number, to: number] }[];
}

export interface PriorExport {
  readonly family: string;
  readonly tensors: readonly ExportedTensor[];
}

type Specs = ReadonlyMap<string, ParameterSpec>;

/** A family's table read the other way: where several tensors of the peer are rows of one of ours, each has as many. */
function inverted(names: Iterable<WeightName>, specs: Specs): ExportedTensor[] {
  const byPath = new Map<string, WeightName[]>();
  for (const line of names) if (specs.has(line.path)) byPath.set(line.path, [...(byPath.get(line.path) ?? []), line]);
  return Array.from(byPath).flatMap(([path, lines]) => {
    const [rows = 1, ...rest] = specs.get(path)?.shape ?? [];
    const count = rows / lines.length;
    return lines.map(({ peer }, index) => ({ peer, shape: [count, ...rest], parts: [{ path, rows: [index * count, (index + 1) * count] as const }] }));
  });
}

const all = (path: string, specs: Specs): ExportedTensor['parts'][number] => ({ path, rows: [0, specs.get(path)?.shape[0] ?? 1] });

function* dallePytorchTensors(configuration: PriorConfiguration, specs: Specs): Iterable<ExportedTensor> {
  const { layers, width, grid, tiedEmbeddings = false } = configuration;
  const { normPlacement, tokenShift, reversible, attentionOf, feedForwardOf } = choicesOf(configuration);
  const plain = function* (peer: string, path: string, shape = specs.get(path)?.shape ?? []): Iterable<ExportedTensor> {
    if (specs.has(path)) yield { peer, shape, parts: [all(path, specs)] };
  };
  yield* plain('text_pos_emb.weight', 'text.positions.weight');
  yield* plain('image_pos_emb.weights_0', 'image.rows.weight', [1, grid.rows, 1, width]);
  yield* plain('image_pos_emb.weights_1', 'image.columns.weight', [1, 1, grid.columns, width]);
  yield* plain('to_logits.0.weight', 'norm.weight');
  yield* plain('to_logits.0.bias', 'norm.bias');
  const output = (field: string): ExportedTensor['parts'] => {
    const [text, image] = tiedEmbeddings && field === 'weight' ? ['text.tokens.weight', 'image.tokens.weight'] : [`head.text.${field}`, `head.image.${field}`];
    return [all(text ?? '', specs), all(image ?? '', specs)];
  };
  // Embeddings that share the output layer have it once more as a part of each.
  const outputNames = tiedEmbeddings ? ['to_logits.1', 'text_emb.linear', 'image_emb.linear'] : ['to_logits.1'];
  for (const [field, rest] of [
    ['weight', [width]],
    ['bias', []],
  ] as const) {
    const parts = output(field);
    const rows = parts.reduce((sum, { rows: [from, to] }) => sum + to - from, 0);
    for (const name of outputNames) yield { peer: `${name}.${field}`, shape: [rows, ...rest], parts };
  }
  if (!tiedEmbeddings) {
    yield* plain('text_emb.weight', 'text.tokens.weight');
    yield* plain('image_emb.weight', 'image.tokens.weight');
  }
  for (let layer = 0; layer < layers; layer += 1) {
    for (const [path, peer] of blockTensorNames(layer, { sandwich: normPlacement === 'sandwich', tokenShift, reversible })) {
      if (peer.endsWith('.scale')) {
        yield* plain(peer, path, [1, 1, width]);
        continue;
      }
      // A shared layer's weights appear again under each of its users.
      const isShared = !/\.(norm|outputNorm)\./.test(path);
      const owner = isShared ? ((path.includes('.attention.') ? attentionOf : feedForwardOf)[layer] ?? layer) : layer;
      yield* plain(peer, path.replace(/^blocks\.\d+/, `blocks.${owner}`));
    }
  }
}

const dallePytorchPatterns: ReadonlySet<string> = new Set(['full', 'axialRow', 'axialColumn', 'convLike']);

/** Whose network a configuration is, where it is one of those whose code could load it. */
function familyOf(configuration: PriorConfiguration): 'dalle-pytorch' | 'mindalle-prior' | 'llamagen-prior' | 'min-dalle-prior' | undefined {
  const { condition = { kind: 'text' }, positions = 'rows-columns', attention, embeddingNorm = false, headNorm = false, tiedEmbeddings = false, convolutionKernel } = configuration;
  const { norm, normPlacement, layerScale, feedForward, hidden, biases, tokenShift, stable, reversible, attentionOf, feedForwardOf } = choicesOf(configuration);
  if (headNorm) return undefined;
  const shares = [...attentionOf, ...feedForwardOf].some((owner, index) => owner !== index % configuration.layers);
  const isPlain = !layerScale && !tokenShift && !stable && !reversible && !shares && !tiedEmbeddings && attention === 'full';
  const isGpt = isPlain && !embeddingNorm && normPlacement === 'pre';
  const isBare = !biases.attentionInput && !biases.attentionOutput && !biases.feedForward && !biases.head;
  switch (condition.kind) {
    case 'text': {
      if (norm !== 'layer' || embeddingNorm) return undefined;
      const isKakao = condition.start === 'none' && condition.padding !== undefined && positions === 'learned' && (feedForward === 'gelu' || feedForward === 'gelu-quick');
      if (isGpt && isKakao && !biases.head && hidden === 4 * configuration.width) return 'mindalle-prior';
      const patterns = typeof attention === 'string' ? [attention] : attention;
      const isLucidrains =
        condition.start === 'first-token' &&
        condition.padding === undefined &&
        (positions === 'rotary-axial' || positions === 'rows-columns') &&
        patterns.every((pattern) => dallePytorchPatterns.has(pattern)) &&
        convolutionKernel === undefined &&
        layerScale &&
        feedForward === 'geglu' &&
        hidden === 4 * configuration.width &&
        normPlacement !== 'normformer' &&
        !biases.attentionInput &&
        biases.attentionOutput &&
        biases.feedForward &&
        biases.head;
      return isLucidrains ? 'dalle-pytorch' : undefined;
    }
    case 'class':
    case 'features':
      return isGpt && isBare && norm === 'rms' && feedForward === 'swiglu' && positions === 'rotary-grid' ? 'llamagen-prior' : undefined;
    case 'encoder': {
      const isNormformer = norm === 'layer' && normPlacement === 'normformer' && embeddingNorm;
      return isPlain && isBare && isNormformer && feedForward === 'geglu' && positions === 'learned' ? 'min-dalle-prior' : undefined;
    }
    default:
      return condition satisfies never;
  }
}

/** A prior's tensors under the names of the peer whose code has its network; undefined where there is none. */
export function exportPrior(configuration: PriorConfiguration): PriorExport | undefined {
  const family = familyOf(configuration);
  const specs = priorParameters(configuration);
  const { layers, condition } = configuration;
  switch (family) {
    case undefined:
      return undefined;
    case 'dalle-pytorch':
      return { family, tensors: [...dallePytorchTensors(configuration, specs)] };
    case 'mindalle-prior':
      return { family, tensors: inverted(mindallePriorNames(layers), specs) };
    case 'llamagen-prior':
      return { family, tensors: inverted(llamagenPriorNames(layers), specs) };
    case 'min-dalle-prior':
      return { family, tensors: inverted(minDallePriorNames(condition?.kind === 'encoder' ? condition.layers : 0, layers), specs) };
    default:
      return family satisfies never;
  }
}
