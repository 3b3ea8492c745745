import { TesseraeError } from '@tesserae/core';
import type { DvaeConfiguration } from '@tesserae/dvae';
import type { Family, PeerFile, WeightName, Weights } from './family.js';
import { countModules, extentOf, fieldsOf, imageSizeOf, imageTokenizerPart, weightsBelow } from './reading.js';

type Half = 'encoder' | 'decoder';

/** The peer's `Conv2d` names its fields so. */
const fields = { w: 'weight', b: 'bias' } as const;

/** Names of both halves, each below `encoder.` or `decoder.`. */
export function* openaiDvaeNames({ groups, blocksPerGroup }: Pick<DvaeConfiguration, 'groups' | 'blocksPerGroup'>): Iterable<WeightName> {
  for (const half of ['encoder', 'decoder'] as const) {
    yield* fieldsOf(`${half}.blocks.input`, `${half}.input`, fields);
    for (let group = 0; group < groups; group += 1)
      for (let block = 0; block < blocksPerGroup; block += 1) {
        const [peer, path] = [`${half}.blocks.group_${group + 1}.block_${block + 1}`, `${half}.groups.${group}.blocks.${block}`];
        yield* fieldsOf(`${peer}.id_path`, `${path}.identity`, fields);
        for (let index = 0; index < 4; index += 1) yield* fieldsOf(`${peer}.res_path.conv_${index + 1}`, `${path}.convolutions.${index}`, fields);
      }
    yield* fieldsOf(`${half}.blocks.output.conv`, `${half}.output`, fields);
  }
}

/** Which half a file of one half is: only the encoder's first convolution looks further than one code. */
function halfOf(weights: Weights): Half | undefined {
  const input = weights.get('blocks.input.w');
  if (input === undefined || !weights.has('blocks.output.conv.w')) return undefined;
  return input.shape[2] === 1 ? 'decoder' : 'encoder';
}

/** Where files that hold both halves keep them: our own export, and DALLE-pytorch's `OpenAIDiscreteVAE`. */
const halfPrefixes: readonly (readonly [prefix: string, half: Half])[] = [
  ['encoder.', 'encoder'],
  ['decoder.', 'decoder'],
  ['enc.', 'encoder'],
  ['dec.', 'decoder'],
];

function halvesIn(file: PeerFile): { readonly half: Half; readonly weights: Weights }[] {
  const half = halfOf(file.weights);
  if (half !== undefined) return [{ half, weights: file.weights }];
  return halfPrefixes.flatMap(([prefix, side]) => {
    const weights = weightsBelow(file.weights, prefix);
    return halfOf(weights) === side ? [{ half: side, weights }] : [];
  });
}

/** The image tokenizer of openai/DALL-E: `encoder.pkl` and `decoder.pkl`, whole modules in either format of torch, or their state dictionaries. */
export const openaiDvae: Family = {
  name: 'openai-dvae',
  title: "openai/DALL-E's discrete VAE",
  recognises: (weights) =>
    halfOf(weights) !== undefined || halfPrefixes.some(([prefix, half]) => weights.has(`${prefix}blocks.input.w`) && halfOf(weightsBelow(weights, prefix)) === half),
  read(files, context) {
    const found = files.flatMap((file) => halvesIn(file).map((half) => ({ ...half, name: file.name })));
    const one = (half: Half) => {
      const [first, second] = found.filter((each) => each.half === half);
      if (first === undefined) {
        throw new TesseraeError('model-incompatible', `${files.map(({ name }) => name).join(', ')}: the ${half} is missing; this model lies in two files.`, {
          remedy: 'Give both: encoder.pkl and decoder.pkl, or the folder that holds them.',
          details: { missing: half },
        });
      }
      if (second !== undefined)
        throw new TesseraeError('model-incompatible', `${first.name} and ${second.name} are both an ${half}.`, { remedy: 'Name the two files that belong together.' });
      return first;
    };
    const [encoder, decoder] = [one('encoder'), one('decoder')];
    const weights = new Map([encoder, decoder].flatMap((half) => Array.from(half.weights, ([name, tensor]) => [`${half.half}.${name}`, tensor] as const)));
    const groups = countModules(encoder.weights, 'blocks.group_', 1);
    const blocksPerGroup = countModules(encoder.weights, 'blocks.group_1.block_', 1);
    // The published tokenizer was trained on pictures of 256 pixels; being convolutional it reads others as well.
    const { imageSize, assumed } = imageSizeOf(undefined, context, 256);
    const configuration: DvaeConfiguration = {
      kind: 'dvae',
      imageSize,
      codebookSize: extentOf(encoder, 'blocks.output.conv.w', 0),
      hidden: extentOf(encoder, 'blocks.input.w', 0),
      groups,
      blocksPerGroup,
      decoderInput: extentOf(decoder, 'blocks.input.w', 0),
    };
    return [imageTokenizerPart(configuration, context, { names: openaiDvaeNames({ groups, blocksPerGroup }), weights, assumed })];
  },
};
