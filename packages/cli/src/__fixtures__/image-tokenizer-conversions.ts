import { join } from 'node:path';
import { argMax, float32Array, type HostArray, int32Array, type LossFunction, type Picture, type WeightSource } from '@tesserae/core';
import { createReferenceBackend } from '@tesserae/core/reference';
import {
  architectureOf,
  createImageTokenizer,
  encodeStrided,
  type ImageTokenizerConfiguration,
  normalisePixels,
  parseImageTokenizerConfiguration,
  type StridedDvaeConfiguration,
  type StridedDvaeObjective,
  stridedLoss,
} from '@tesserae/dvae';
import { largestDifference } from '../../../core/src/__fixtures__/peers/peer-checks.js';
import { type ConversionCase, compute, gradientError, metaOf, packages, peers, recording } from './conversion.js';

const dvaeRecordings = join(packages, 'dvae/src/__fixtures__');

/** An image tokenizer, and where what it did was recorded. */
interface Recording {
  readonly name: string;
  readonly family: string;
  /** The peer's own file or folder. */
  readonly source: string;
  /** What is added to the command line: settings that no file of the case says. */
  readonly words?: readonly string[];
  /** Where the peer's results lie. */
  readonly recorded: string;
  /** The largest |ours − theirs| that is allowed of pictures in [0, 1], and of gradients. */
  readonly tolerance: { readonly pixels: number; readonly gradients?: number };
  readonly outputs: { readonly codes?: string; readonly decodedCodes: string; readonly pictures: string; readonly as: keyof typeof pictureForms };
  readonly loss?: StridedDvaeObjective & { readonly temperature: number };
  /** Too large for the reference backend: run by ONNX Runtime. */
  readonly isLarge?: boolean;
}

/** How a peer's recorded pictures become planes in [0, 1]: [batch, channels, height, width] in all forms but the last. */
const pictureForms = {
  'zero-to-one': (value: number) => value,
  'minus-one-to-one': (value: number) => value * 0.5 + 0.5,
  /** Bytes as floats, [height, width, 3], all pictures of a batch in one, columns first. */
  'grid-of-bytes': (value: number) => value / 255,
  /** The same of one picture, of which every fourth row and column was recorded. */
  'every-fourth-byte': (value: number) => value / 255,
} as const;

function openaiCase(name: string, size: number, recorded: string, recon: number): Recording {
  return {
    name: `openai/DALL-E, ${name}`,
    family: 'openai-dvae',
    source: join(peers, 'openai-dvae', name),
    words: ['--set', `imageSize=${size}`],
    recorded,
    tolerance: { pixels: recon },
    outputs: { codes: 'codes', decodedCodes: 'codes', pictures: 'recon', as: 'zero-to-one' },
  };
}

function dvaeCase(name: string): Recording {
  const recorded = join(dvaeRecordings, 'dalle-pytorch', name);
  const { config, tolerance_advice_max_abs: advice } = metaOf(recorded);
  const { extra = {}, temp = 1 } = config;
  return {
    name: `DALLE-pytorch, ${name}`,
    family: 'dalle-pytorch-vae',
    source: join(peers, 'dalle-pytorch', name, 'vae.pt'),
    recorded,
    tolerance: { pixels: (advice.decoded ?? 0) / 2, gradients: advice.grads ?? 0 },
    outputs: { codes: 'codes', decodedCodes: 'codes', pictures: 'decoded', as: 'minus-one-to-one' },
    loss: {
      reconstruction: extra.smooth_l1_loss === true ? 'smooth-l1' : 'squared',
      klWeight: typeof extra.kl_div_loss_weight === 'number' ? extra.kl_div_loss_weight : 0,
      relaxation: extra.straight_through !== true ? 'soft' : extra.reinmax === true ? 'reinmax' : 'straight-through',
      temperature: temp,
    },
  };
}

/** DALLE-pytorch's recorded checkpoints of image tokenizer and transformer, one a combination of options. */
export const dalleFolders: readonly string[] = [
  'dalle-axial-conv-learnedpos',
  'dalle-axial-conv-rotary-shift',
  'dalle-full-plain',
  'dalle-full-rotary',
  'dalle-full-shift',
  'dalle-learnedpos-newdeps',
  'dalle-reversible-rotary-shift',
  'dalle-shared-emb-opt',
  'dalle-shared-layers',
  'dalle-stable-sandwich',
];

function dalleCase(name: string): Recording {
  return {
    name: `DALLE-pytorch, the tokenizer in ${name}`,
    family: 'dalle-pytorch',
    source: join(peers, 'dalle-pytorch', name, 'dalle.pt'),
    recorded: join(peers, 'dalle-pytorch', name),
    // No advice was recorded for the pictures; that of the like-sized vae cases.
    tolerance: { pixels: 1e-6 },
    outputs: { codes: 'vae_codes', decodedCodes: 'greedy_codes', pictures: 'greedy_images', as: 'minus-one-to-one' },
  };
}

function vqganCase(name: string, family: string, source: string, recording: string, words: readonly string[] = []): Recording {
  const recorded = join(dvaeRecordings, 'vqgan', recording);
  return {
    name,
    family,
    source: join(peers, source),
    words,
    recorded,
    tolerance: { pixels: (metaOf(recorded).tolerance_advice_max_abs.decoded ?? 0) / 2 },
    outputs: { codes: 'codes', decodedCodes: 'codes', pictures: 'decoded', as: 'minus-one-to-one' },
  };
}

function openaiRecording(name: string, size: number): Recording {
  const recorded = join(dvaeRecordings, 'openai-dvae', name);
  return openaiCase(name, size, recorded, metaOf(recorded).tolerance_advice_max_abs.recon ?? 0);
}

const recordings: readonly Recording[] = [
  openaiRecording('nhid16-blk1-v512', 32),
  openaiRecording('nhid12-blk2-v600-rect', 32),
  openaiCase('nhid12-blk1-channelslast', 32, join(peers, 'openai-dvae/nhid12-blk1-channelslast'), 2.2e-6),
  openaiCase('nhid12-blk1-legacy-cuda', 24, join(peers, 'openai-dvae/nhid12-blk1-legacy-cuda'), 1.7e-6),
  ...['vae-l2-res0', 'vae-l2-res2-kl', 'vae-l2-rgba-reinmax', 'vae-l3-res1-sl1-kl-st'].map(dvaeCase),
  ...dalleFolders.map(dalleCase),
  vqganCase('taming-transformers, VQModel', 'taming-vqgan', 'taming-vqgan/vq', 'taming-vqgan-vq'),
  vqganCase('taming-transformers, GumbelVQ', 'taming-vqgan', 'taming-vqgan/gumbel', 'taming-vqgan-gumbel'),
  vqganCase('minDALL-E, first stage', 'taming-vqgan', 'mindalle-kakao/small/stage1_last.ckpt', 'mindalle-kakao-small'),
  vqganCase('LlamaGen, VQ', 'llamagen-vq', 'llamagen/vq/vq.pt', 'llamagen-vq', ['--set', 'imageSize=16']),
  {
    name: 'min-dalle, detokenizer',
    family: 'min-dalle-detokenizer',
    source: join(peers, 'min-dalle/detokenizer/detoker.pt'),
    words: ['--set', 'imageSize=64,normGroups=8'],
    recorded: join(dvaeRecordings, 'vqgan/min-dalle-detokenizer'),
    tolerance: { pixels: 0.025 / 255 },
    outputs: { decodedCodes: 'tokens', pictures: 'image', as: 'grid-of-bytes' },
  },
  {
    name: 'min-dalle, the detokenizer of the whole pipeline',
    family: 'min-dalle-detokenizer',
    source: join(peers, 'min-dalle/pipeline-mega-ids/detoker.pt'),
    words: ['--set', 'normGroups=8'],
    recorded: join(peers, 'min-dalle/pipeline-mega-ids'),
    tolerance: { pixels: 0.035 / 255 },
    outputs: { decodedCodes: 'tokens', pictures: 'image_every4', as: 'every-fourth-byte' },
    isLarge: true,
  },
];

const clamped = (value: number): number => Math.min(1, Math.max(0, value));

/** [batch, 3, height, width] bytes → pictures. */
function picturesOf({ shape, data }: HostArray): Picture[] {
  const [batch = 0, channels = 0, height = 0, width = 0] = shape;
  const plane = height * width;
  return Array.from({ length: batch }, (_, index) => ({
    width,
    height,
    data: Uint8Array.from({ length: 3 * plane }, (__, at) => Number(data[(index * channels + (at % 3)) * plane + Math.floor(at / 3)])),
  }));
}

async function codesOf(configuration: ImageTokenizerConfiguration, weights: WeightSource, images: HostArray): Promise<readonly number[]> {
  if (configuration.kind === 'strided-dvae' && configuration.channels === 4) {
    // A tokenizer's pictures have no alpha: the encoder itself.
    const pixels = float32Array(images.shape, Float32Array.from(images.data, (value) => value / 255));
    const { codes } = await compute(weights, { pixels }, (scope, root) => {
      const x = normalisePixels(scope.input('pixels', pixels.shape), root);
      scope.output('codes', argMax(encodeStrided(root.child('encoder'), x, configuration), 1));
    });
    return Array.from(codes?.data ?? []);
  }
  const tokenizer = createImageTokenizer({ configuration, weights, backend: createReferenceBackend() });
  return (await tokenizer.encode(picturesOf(images))).flatMap((list) => [...list]);
}

/** Ours of the same codes, in the peer's order of numbers, and the peer's, both in [0, 1]. */
async function picturesFrom(configuration: ImageTokenizerConfiguration, weights: WeightSource, { outputs, recorded, isLarge }: Recording) {
  const codes = await recording(recorded, outputs.decodedCodes);
  const expected = await recording(recorded, outputs.pictures);
  const { downsampling, pixels: decode } = architectureOf(configuration);
  const batch = codes.shape[0] ?? 0;
  const isGrid = outputs.as === 'grid-of-bytes' || outputs.as === 'every-fourth-byte';
  const step = outputs.as === 'every-fourth-byte' ? 4 : 1;
  const rows = isGrid || codes.shape.length === 2 ? Math.sqrt(codes.data.length / batch) : (codes.shape[1] ?? 0);
  const columns = codes.data.length / batch / rows;
  const grid = int32Array([batch, rows, columns], Int32Array.from(codes.data));
  const { pixels } = await compute(weights, { codes: grid }, (scope, root) => scope.output('pixels', decode(root, scope.input('codes', grid.shape, 'int32'))), isLarge);
  const wanted = Array.from(expected.data, (value) => clamped(pictureForms[outputs.as](Number(value))));
  const [height, width] = [rows * downsampling, columns * downsampling];
  const plane = height * width;
  const ours = pixels?.data ?? [];
  if (!isGrid) {
    const channels = expected.shape[1] ?? 3;
    // Alpha, where it is recorded, is no part of a picture here.
    return { ours, expected: channels === 3 ? wanted : wanted.filter((_, index) => Math.floor(index / plane) % channels < 3) };
  }
  const side = Math.sqrt(batch);
  const placed = Array.from({ length: wanted.length }, (_, at) => {
    const across = (side * width) / step;
    const [channel, column, row] = [at % 3, step * (Math.floor(at / 3) % across), step * Math.floor(at / 3 / across)];
    const picture = Math.floor(column / width) * side + Math.floor(row / height);
    return Number(ours[(picture * 3 + channel) * plane + (row % height) * width + (column % width)]);
  });
  return { ours: placed, expected: wanted };
}

/** The peer's loss of its recorded pictures and noise. */
function lossOf(configuration: StridedDvaeConfiguration, pixels: HostArray, gumbel: HostArray, { temperature, ...objective }: NonNullable<Recording['loss']>): LossFunction {
  return ({ scope, parameters }) => {
    const given = { pixels: scope.input('pixels', pixels.shape), gumbel: scope.input('gumbel', gumbel.shape), temperature: scope.literal(float32Array([], [temperature])) };
    return stridedLoss(parameters, configuration, given, objective);
  };
}

function caseOf(each: Recording): ConversionCase {
  const { name, family, source, words = [], recorded, tolerance, outputs, loss } = each;
  return {
    name,
    family,
    part: 'imageTokenizer',
    sources: [source],
    words,
    async measure(model) {
      const configuration = parseImageTokenizerConfiguration(await model.readJson('imageTokenizer', 'config.json'));
      const weights = await model.openWeights('imageTokenizer');
      let wrongTokens: number | undefined;
      if (outputs.codes !== undefined) {
        const expected = (await recording(recorded, outputs.codes)).data;
        const codes = await codesOf(configuration, weights, await recording(recorded, 'image_u8'));
        wrongTokens = codes.length === expected.length ? codes.filter((value, index) => value !== expected[index]).length : expected.length;
      }
      const pictures = await picturesFrom(configuration, weights, each);
      const measured = {
        ...(wrongTokens === undefined ? {} : { wrongTokens }),
        errors: [{ of: 'pictures', error: largestDifference(pictures.ours, pictures.expected), allowed: tolerance.pixels }],
      };
      if (loss === undefined || configuration.kind !== 'strided-dvae') return measured;
      const [pixels, gumbel] = [await recording(recorded, 'image'), await recording(recorded, 'gumbel_noise')];
      const error = await gradientError(weights, { pixels, gumbel }, lossOf(configuration, pixels, gumbel, loss), recorded);
      return { ...measured, gradients: { error, allowed: tolerance.gradients ?? 0 } };
    },
  };
}

/** Every recorded image tokenizer. */
export const imageTokenizerCases: readonly ConversionCase[] = recordings.map(caseOf);
