import type { VqganConfiguration } from '@tesserae/dvae';
import type { Family, PeerFile, WeightName, Weights } from './family.js';
import { countModules, extentOf, imageSizeOf, imageTokenizerPart, wholeAt } from './reading.js';
import { tamingVqganNames } from './taming-vqgan.js';

/** Flax keeps filters as [height, width, in, out]; ours are [out, in, height, width]. */
const filterAxes = [3, 2, 0, 1] as const;

/** taming's name as Flax flattens it: `decoder.up.4.block.0.conv1.weight` → `decoder/up_4/block_0/conv1/kernel`. */
function flaxName(peer: string): Pick<WeightName, 'peer' | 'transform'> {
  const parts = peer.replace(/\.(\d+)(?=\.)/g, '_$1').split('.');
  const [field = '', module = ''] = [parts.pop(), parts.at(-1)];
  const path = parts.join('/');
  if (field === 'bias') return { peer: `${path}/bias` };
  if (module === 'embedding') return { peer: `${path}/embedding` };
  if (module.startsWith('norm')) return { peer: `${path}/scale` };
  return { peer: `${path}/kernel`, transform: { axes: filterAxes } };
}

export function* vqganJaxNames(configuration: Pick<VqganConfiguration, 'multipliers' | 'blocksPerLevel'>): Iterable<WeightName> {
  for (const { peer, path } of tamingVqganNames({ ...configuration, quantizer: 'nearest' })) yield { ...flaxName(peer), path };
}

function configurationOf(file: PeerFile): Omit<VqganConfiguration, 'imageSize'> {
  const { weights } = file;
  const hidden = extentOf(file, 'encoder/conv_in/kernel', 3);
  const levels = countModules(weights, 'encoder/down_');
  return {
    kind: 'vqgan',
    codebookSize: extentOf(file, 'quantize/embedding/embedding', 0),
    codeWidth: extentOf(file, 'quantize/embedding/embedding', 1),
    latentChannels: extentOf(file, 'encoder/conv_out/kernel', 3),
    hidden,
    multipliers: Array.from({ length: levels }, (_, level) => extentOf(file, `encoder/down_${level}/block_0/conv1/kernel`, 3) / hidden),
    blocksPerLevel: countModules(weights, 'encoder/down_0/block_'),
    attentionLevels: Array.from({ length: levels }, (_, level) => level).filter((level) => weights.has(`encoder/down_${level}/attn_0/norm/scale`)),
    quantizer: 'nearest',
    // Unlike taming-transformers it was trained on pixels in [0, 1].
    pixelRange: 'zero-to-one',
  };
}

const isVqganJax = (weights: Weights): boolean => weights.has('encoder/conv_in/kernel') && weights.has('quantize/embedding/embedding');

/** The VQGAN of dalle-mini in Flax: `flax_model.msgpack` of vqgan-jax. */
export const vqganJax: Family = {
  name: 'vqgan-jax',
  title: "dalle-mini's VQGAN in Flax",
  recognises: isVqganJax,
  read: (files, context) =>
    files.map((file) => {
      const said = Array.from(context.documents.values(), (document) => wholeAt(document, ['resolution'])).find((size) => size !== undefined);
      const { imageSize, assumed } = imageSizeOf(said, context, 256);
      const configuration = { ...configurationOf(file), imageSize };
      return imageTokenizerPart(configuration, context, { names: vqganJaxNames(configuration), weights: file.weights, assumed });
    }),
};
