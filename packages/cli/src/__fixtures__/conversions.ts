import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { argMax, createParameterTree, float32Array, gradients, type HostArray, int32Array, type ParameterScope, type Picture, type Tensor, type TraceScope, trace, type WeightSource } from '@tesserae/core';
import { openModelFolder } from '@tesserae/core/node';
import { createNodeOnnxBackend } from '@tesserae/backend-onnx/node';
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
import { readArray } from '@tesserae/importers';
import { openCheckpointFile } from '@tesserae/importers/node';
import { runCommand } from './run-command.js';

/**
 * Every recorded image tokenizer: converted by the command from the peer's own file, then run on what the peer was run on.
 * The numbers are the reference backend's, which are the same on every machine, except where the pictures are large.
 */

const packages = fileURLToPath(new URL('../../../', import.meta.url));
export const peers = join(packages, 'importers/src/__fixtures__/peers');
const dvaeRecordings = join(packages, 'dvae/src/__fixtures__');

export interface ConversionCase {
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

interface Meta {
  readonly config: { readonly extra?: Readonly<Record<string, unknown>>; readonly temp?: number; readonly supercondition_factor?: number };
  readonly tolerance_advice_max_abs: Readonly<Record<string, number>>;
}

export const metaOf = (folder: string): Meta => JSON.parse(readFileSync(join(folder, 'meta.json'), 'utf8')) as Meta;

function openaiCase(name: string, size: number, recorded: string, recon: number): ConversionCase {
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

function dvaeCase(name: string): ConversionCase {
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

function dalleCase(name: string): ConversionCase {
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

function vqganCase(name: string, family: string, source: string, recording: string, words: readonly string[] = []): ConversionCase {
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

function openaiRecording(name: string, size: number): ConversionCase {
  const recorded = join(dvaeRecordings, 'openai-dvae', name);
  return openaiCase(name, size, recorded, metaOf(recorded).tolerance_advice_max_abs.recon ?? 0);
}

export const conversionCases: readonly ConversionCase[] = [
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

export interface ConversionResult {
  readonly name: string;
  readonly family: string;
  /** Whether the command ended well with a part of the right kind. */
  readonly converts: boolean;
  /** Codes that differ from the peer's; undefined where none were recorded. */
  readonly wrongCodes: number | undefined;
  readonly pixelError: number;
  readonly gradientError: number | undefined;
  readonly tolerance: ConversionCase['tolerance'];
}

export async function recording(folder: string, name: string): Promise<HostArray> {
  const { tensors } = await openCheckpointFile(join(folder, `${name}.npy`));
  const [tensor] = tensors;
  if (tensor === undefined) throw new Error(`${folder} has no ${name}`);
  return readArray(tensor);
}

export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let index = 0; index < b.length; index += 1) {
    const difference = Math.abs((a[index] ?? Number.NaN) - (b[index] ?? Number.NaN));
    // Written so that NaN is never the smaller.
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}

export async function compute(
  weights: WeightSource,
  inputs: Readonly<Record<string, HostArray>>,
  body: (scope: TraceScope, root: ParameterScope) => void,
  isLarge = false,
): Promise<Record<string, HostArray>> {
  const backend = isLarge ? await createNodeOnnxBackend({ threads: 1 }) : createReferenceBackend();
  const program = await backend.compile(
    trace('conversion', (scope) => body(scope, createParameterTree(scope, 'constant').root)),
    { weights },
  );
  try {
    return await program.run({ ...inputs });
  } finally {
    program.dispose();
    await backend.dispose();
  }
}

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
async function picturesFrom(configuration: ImageTokenizerConfiguration, weights: WeightSource, { outputs, recorded, isLarge }: ConversionCase) {
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

async function gradientErrorOf(configuration: StridedDvaeConfiguration, weights: WeightSource, { recorded, loss: objective }: ConversionCase & { readonly loss: NonNullable<ConversionCase['loss']> }) {
  const [pixels, gumbel] = [await recording(recorded, 'image'), await recording(recorded, 'gumbel_noise')];
  const paths: string[] = [];
  const results = await compute(weights, { pixels, gumbel }, (scope) => {
    const tree = createParameterTree(scope, 'constant');
    const given = { pixels: scope.input('pixels', pixels.shape), gumbel: scope.input('gumbel', gumbel.shape), temperature: scope.literal(float32Array([], [objective.temperature])) };
    const { loss }: { readonly loss: Tensor } = stridedLoss(tree.root, configuration, given, objective);
    paths.push(...tree.tensors.keys());
    gradients(loss, [...tree.tensors.values()]).forEach((gradient, index) => {
      scope.output(`gradient ${paths[index]}`, gradient);
    });
  });
  let largest = 0;
  for (const path of paths) {
    const expected = await recording(join(recorded, 'grads'), path);
    largest = Math.max(largest, largestDifference(results[`gradient ${path}`]?.data ?? [], expected.data));
  }
  return paths.length === weights.types.size ? largest : Number.POSITIVE_INFINITY;
}

/** Converts one case into `folder` and measures it. */
export async function measureConversion(each: ConversionCase, folder: string): Promise<ConversionResult> {
  const { name, family, source, words = [], recorded, tolerance, outputs, loss } = each;
  const { code, stdout, stderr } = await runCommand(['convert', source, '--out', folder, '--replace', '--json', ...words]);
  if (code !== 0) throw new Error(`${name}: ${stderr}`);
  const { parts } = JSON.parse(stdout) as { readonly parts: readonly { readonly family: string; readonly part: string }[] };
  const model = await openModelFolder(folder);
  const configuration = parseImageTokenizerConfiguration(await model.readJson('imageTokenizer', 'config.json'));
  const weights = await model.openWeights('imageTokenizer');
  let wrongCodes: number | undefined;
  if (outputs.codes !== undefined) {
    const expected = (await recording(recorded, outputs.codes)).data;
    const codes = await codesOf(configuration, weights, await recording(recorded, 'image_u8'));
    wrongCodes = codes.length === expected.length ? codes.filter((value, index) => value !== expected[index]).length : expected.length;
  }
  const pictures = await picturesFrom(configuration, weights, each);
  const gradientError = loss !== undefined && configuration.kind === 'strided-dvae' ? await gradientErrorOf(configuration, weights, { ...each, loss }) : undefined;
  return {
    name,
    family,
    converts: parts.some(({ part, family: from }) => part === 'imageTokenizer' && from === family),
    wrongCodes,
    pixelError: largestDifference(pictures.ours, pictures.expected),
    gradientError,
    tolerance,
  };
}

/** Powers of ten say what there is to say, and are the same everywhere. */
const below = (value: number): string => (value === 0 ? '0' : `below 1e${Math.floor(Math.log10(value)) + 1}`);

export const within = (error: number, allowed: number): string => `${error <= allowed ? '' : '**wrong** '}${below(error)} (${allowed.toExponential(0)})`;

/** The rows of the image tokenizers in `docs/importing.md`. */
export function conversionRows(results: readonly ConversionResult[]): readonly (readonly string[])[] {
  return [
    ['case', '`--as`', 'converts', 'codes', 'pictures: largest error (allowed)', 'gradients: largest error (allowed)'],
    ...results.map(({ name, family, converts, wrongCodes, pixelError, gradientError, tolerance }) => [
      name,
      `\`${family}\``,
      converts ? 'yes' : '**no**',
      wrongCodes === undefined ? 'none recorded' : wrongCodes === 0 ? 'identical' : `**${wrongCodes} differ**`,
      within(pixelError, tolerance.pixels),
      gradientError === undefined ? 'none recorded' : within(gradientError, tolerance.gradients ?? 0),
    ]),
  ];
}

/** Columns as wide as the formatter of this repository makes them. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const padded = rows.map((row) => line(row.map((cell, column) => cell.padEnd(widths[column] ?? 0))));
  return [padded[0], line(widths.map((width) => '-'.repeat(width))), ...padded.slice(1)].join('\n');
}
