import { extname, join } from 'node:path';
import { TesseraeError } from '@tesserae/core';
import { openModelFolder, writeFileAtomically } from '@tesserae/core/node';
import { largestUsefulSide } from '@tesserae/datasets';
import { type LoadedImages, loadImages, openFolder } from '@tesserae/datasets/node';
import { createBytePairTokenizer, parsePriorConfiguration, trainBytePairModel } from '@tesserae/transformer';
import { openBackend } from '../backends.js';
import { type Command, engineOptions, flag, numberOption, textOption, UsageError } from '../command.js';
import { loadImageTokenizer, loadTextTokenizer } from '../model.js';
import { measuredPictures, writeReport } from '../report/write-report.js';
import type { Output } from '../terminal/output.js';
import { codedBy, encodePictures } from '../training/coded-pictures.js';
import { dvaeRelativeRecipe, dvaeRelatives, publishedRelativeRecipe } from '../training/dvae-relative-recipes.js';
import { defaultRate, imageTokenizerRecipe, paperRecipe, priorRecipe, scorerRecipe } from '../training/recipes.js';
import { trainDvaeRelative } from '../training/train-dvae-relative.js';
import { trainImageTokenizer } from '../training/train-image-tokenizer.js';
import { trainPrior } from '../training/train-prior.js';
import { trainScorer } from '../training/train-scorer.js';

const storedTypes = ['float32', 'float16'] as const;
const stages = ['both', 'tokenizer', 'prior', 'scorer'] as const;
const recipes = ['practical', 'paper'] as const;
const codebookUpdates = ['gradient', 'average'] as const;

export const trainCommand: Command = {
  name: 'train',
  summary: 'Trains a model on a folder of pictures with captions: first the image tokenizer, then the prior.',
  usage: 'train ./my-pictures --out ./my-model [options], or train codes.safetensors --stage prior',
  options: {
    out: { type: 'string', short: 'o', value: 'DIR', help: 'model folder to write (required)' },
    stage: { type: 'string', value: 'NAME', help: 'both (default), tokenizer, prior, or scorer: a captioner that --rerank judges candidates by' },
    resume: { type: 'boolean', help: 'go on where an interrupted training stopped' },
    seed: { type: 'string', value: 'N', help: 'first weights, order and noise (default 0)' },
    size: { type: 'string', value: 'PIXELS', help: 'width and height pictures are cropped to, a multiple of 8 (default 64)' },
    downsampling: { type: 'string', value: 'PIXELS', help: 'width and height of a code: 2, 4, 8 (default) or 16; smaller keeps more and makes the prior slower' },
    codebook: { type: 'string', value: 'N', help: 'codes of the image tokenizer (default 512)' },
    hidden: { type: 'string', value: 'N', help: 'channels of its first group (default 32)' },
    blocks: { type: 'string', value: 'N', help: 'residual blocks a group (default 1)' },
    tokenizer: { type: 'string', value: 'NAME', help: `dvae (default), or a relative: ${dvaeRelatives.join(', ')}` },
    recipe: {
      type: 'string',
      value: 'NAME',
      help: 'practical (default), or paper: the published objective and schedules, shortened to --tokenizer-steps; from random weights unless --warm-up-steps says otherwise',
    },
    augment: {
      type: 'boolean',
      help: "crop, scale and mirror the tokenizer's pictures at random, as the paper does; never the prior's, whose captions may speak of left and right",
    },
    seamless: { type: 'boolean', help: 'convolutions go on at the opposite edge: for textures' },
    'codebook-update': { type: 'string', value: 'NAME', help: 'of vq-vae and vqgan: gradient, or average of the latents (default: average for vq-vae, gradient for vqgan)' },
    'revive-after': { type: 'string', value: 'N', help: 'of the same: updates without use after which a code is put anew; 0 never (default: 10 to 100 for vq-vae, 0 for vqgan)' },
    'preview-every': { type: 'string', value: 'N', help: 'updates between two looks at unseen pictures: figures, and a strip of reconstructions (default: four, or every 500)' },
    'warm-up-steps': { type: 'string', value: 'N', help: 'updates of the autoencoder its codebook is made from (default 1500; 0 with --recipe paper)' },
    'tokenizer-steps': {
      type: 'string',
      value: 'N',
      help: "updates of the paper's relaxed objective then (default 0: short trainings gain nothing by it); with --recipe paper, or of a relative, all its updates (default 3000)",
    },
    'refinement-steps': { type: 'string', value: 'N', help: 'updates of its decoder alone, once the codes are final (default 1000; 0 with --recipe paper)' },
    'tokenizer-batch': { type: 'string', value: 'N', help: 'pictures an update (default 16)' },
    'tokenizer-rate': { type: 'string', value: 'X', help: 'highest learning rate (default 5e-4; with --recipe paper 1e-4, of strided-dvae 1e-3)' },
    width: { type: 'string', value: 'N', help: 'width of the prior (default 256)' },
    layers: { type: 'string', value: 'N', help: 'its layers (default 6)' },
    heads: { type: 'string', value: 'N', help: 'its attention heads (default 8)' },
    attention: { type: 'string', value: 'NAME', help: 'full (default) or paper' },
    'text-length': { type: 'string', value: 'N', help: 'text tokens it reads (default 32)' },
    vocabulary: { type: 'string', value: 'N', help: 'text tokens it knows (default 1024)' },
    'prior-steps': { type: 'string', value: 'N', help: 'updates of stage two (default 4000)' },
    'prior-batch': { type: 'string', value: 'N', help: 'pictures an update (default 32)' },
    dtype: { type: 'string', value: 'NAME', help: 'how weights are stored: float32 (default) or float16, half the size' },
    'prior-rate': { type: 'string', value: 'X', help: 'highest learning rate (default 5e-3)' },
    'scorer-width': { type: 'string', value: 'N', help: 'width of the scorer (default 128)' },
    'scorer-layers': { type: 'string', value: 'N', help: 'its layers (default 4)' },
    'scorer-steps': { type: 'string', value: 'N', help: 'updates of it (default 4000)' },
    'scorer-batch': { type: 'string', value: 'N', help: 'pictures an update (default 32)' },
    'scorer-rate': { type: 'string', value: 'X', help: 'highest learning rate (default 4e-3)' },
    ...engineOptions,
  },
  async run(context) {
    const { positionals, options, output, signal } = context;
    const [folder] = positionals;
    const out = textOption(options, 'out');
    if (folder === undefined) throw new UsageError('Name the folder with the pictures.');
    if (out === undefined) throw new UsageError('Say where the model goes: --out ./my-model.');
    const stage = stages.find((name) => name === (textOption(options, 'stage') ?? 'both'));
    if (stage === undefined) throw new UsageError(`--stage ${textOption(options, 'stage')}: use ${stages.join(', ')}.`);
    const whole = (name: string, fallback: number, minimum = 1): number => numberOption(options, name, { minimum, integer: true }) ?? fallback;
    const rate = (name: string, fallback: number): number => numberOption(options, name, { minimum: Number.MIN_VALUE, maximum: 1 }) ?? fallback;
    const attention = textOption(options, 'attention') ?? 'full';
    if (attention !== 'full' && attention !== 'paper') throw new UsageError(`--attention ${attention}: use full or paper.`);
    const [seed, size, resume] = [whole('seed', 0, 0), whole('size', 64, 8), flag(options, 'resume')];
    const downsampling = whole('downsampling', 8, 2);
    if (!Number.isInteger(Math.log2(downsampling)) || size % downsampling !== 0)
      throw new UsageError(`--downsampling ${downsampling}: give a power of 2 that divides the size ${size}.`);
    const floats = storedTypes.find((name) => name === (textOption(options, 'dtype') ?? 'float32'));
    if (floats === undefined) throw new UsageError(`--dtype ${textOption(options, 'dtype')}: use ${storedTypes.join(' or ')}.`);
    const wanted = textOption(options, 'tokenizer') ?? 'dvae';
    const relative = dvaeRelatives.find((name) => name === wanted);
    if (relative === undefined && wanted !== 'dvae') throw new UsageError(`--tokenizer ${wanted}: use dvae, ${dvaeRelatives.join(', ')}.`);
    const recipeName = recipes.find((name) => name === (textOption(options, 'recipe') ?? 'practical'));
    if (recipeName === undefined) throw new UsageError(`--recipe ${textOption(options, 'recipe')}: use ${recipes.join(' or ')}.`);
    const isPaper = recipeName === 'paper';
    const augment = flag(options, 'augment');
    const codebookUpdate = codebookUpdates.find((name) => name === textOption(options, 'codebook-update'));
    if (codebookUpdate === undefined && textOption(options, 'codebook-update') !== undefined)
      throw new UsageError(`--codebook-update ${textOption(options, 'codebook-update')}: use ${codebookUpdates.join(' or ')}.`);
    const revivedAfter = numberOption(options, 'revive-after', { minimum: 0, integer: true });
    const takesNearest = relative !== undefined && relative !== 'strided-dvae' && relative !== 'vqgan-gumbel';
    if (!takesNearest && (codebookUpdate !== undefined || revivedAfter !== undefined))
      throw new UsageError(`--codebook-update and --revive-after are for tokenizers that take the nearest codebook vector, not for ${wanted}.`);
    const codebook = {
      ...(codebookUpdate === undefined ? {} : { codebookUpdate }),
      ...(revivedAfter === undefined ? {} : { revivedAfter: revivedAfter === 0 ? undefined : revivedAfter }),
    };
    const previewEvery = numberOption(options, 'preview-every', { minimum: 1, integer: true });
    const backend = await openBackend(context);
    try {
      output.note(`seed ${seed}, ${backend.description}`);
      const isCoded = extname(folder) === '.safetensors';
      if (isCoded && stage !== 'prior') throw new UsageError(`${folder} holds codes, which only --stage prior can be trained on.`);
      const images = isCoded ? undefined : await readImages(folder, size, { output, signal, ...(augment ? { originalsUpTo: largestUsefulSide(size) } : {}) });

      let tokenizerFigures: Readonly<Record<string, number>> | undefined;
      if (images !== undefined && (stage === 'both' || stage === 'tokenizer') && !(resume && stage === 'both' && (await hasPart(out, 'imageTokenizer')))) {
        const choices = {
          size,
          seed,
          codebookSize: whole('codebook', 512, 2),
          downsampling,
          hidden: whole('hidden', 32, 4),
          blocksPerGroup: whole('blocks', 1),
          steps: relative === undefined && !isPaper ? whole('tokenizer-steps', 0, 0) : whole('tokenizer-steps', 3000),
          refinementSteps: isPaper ? whole('refinement-steps', 0, 0) : whole('refinement-steps', 1000),
          warmUpSteps: isPaper ? whole('warm-up-steps', 0, 0) : whole('warm-up-steps', 1500),
          batch: whole('tokenizer-batch', 16),
          learningRate: rate('tokenizer-rate', !isPaper ? defaultRate : relative === 'strided-dvae' ? 1e-3 : 1e-4),
          augment,
          seamless: flag(options, 'seamless'),
        };
        const common = {
          pictures: images.pixels,
          ...(augment ? { originals: images.originals } : {}),
          ...(previewEvery === undefined ? {} : { previewEvery }),
          modelFolder: out,
          floats,
          backend,
          resume,
          output,
          signal,
        };
        tokenizerFigures =
          relative === undefined
            ? await trainImageTokenizer({ ...common, recipe: (isPaper ? paperRecipe : imageTokenizerRecipe)(choices) })
            : await trainDvaeRelative({ ...common, recipe: (isPaper ? publishedRelativeRecipe : dvaeRelativeRecipe)(relative, choices, codebook) });
        const shown = images.examples
          .slice(0, measuredPictures)
          .map(({ file }, index) => ({ name: file, picture: { width: size, height: size, data: images.pixels[index] ?? new Uint8Array() } }));
        await writeReport({ modelFolder: out, pictures: shown, file: join(out, 'training', 'report.html'), backend, output, signal });
        output.print(
          `image tokenizer: ${Object.entries(tokenizerFigures)
            .map(([name, value]) => `${name} ${value.toPrecision(4)}`)
            .join(', ')}`,
        );
      }

      let priorFigures: Readonly<Record<string, number>> | undefined;
      let pictureCount = images?.examples.length ?? 0;
      if (stage === 'both' || stage === 'prior') {
        const model = await openModelFolder(out);
        const tokenizer = await loadImageTokenizer(model, { backend, maximumBatch: 32 });
        const { pictures: all, grid } =
          images === undefined
            ? await codedBy(model, folder)
            : {
                grid: tokenizer.grid,
                pictures: await encodePictures(
                  tokenizer,
                  images.examples.map(({ captions }, index) => ({ captions, pixels: images.pixels[index] ?? new Uint8Array() })),
                  size,
                  { output, signal },
                ),
              };
        const coded = all.filter(({ captions }) => captions.length > 0);
        if (coded.length === 0) throw withoutCaptions(folder);
        const textModel = trainBytePairModel(
          coded.flatMap(({ captions }) => captions),
          { vocabularySize: whole('vocabulary', 1024, 257), signal },
        );
        const textTokenizer = createBytePairTokenizer(textModel);
        const recipe = priorRecipe({
          grid,
          codebookSize: tokenizer.codebookSize,
          textVocabularySize: textTokenizer.vocabularySize,
          textLength: whole('text-length', 32),
          width: whole('width', 256),
          layers: whole('layers', 6),
          heads: whole('heads', 8),
          attention,
          steps: whole('prior-steps', 4000),
          batch: whole('prior-batch', 32),
          learningRate: rate('prior-rate', 5e-3),
          seed,
        });
        pictureCount = images?.examples.length ?? all.length;
        parsePriorConfiguration(recipe.configuration);
        tokenizer.dispose();
        priorFigures = await trainPrior({ recipe, pictures: coded, textModel, textTokenizer, modelFolder: out, floats, backend, resume, output, signal });
        output.print(
          `prior: ${Object.entries(priorFigures)
            .map(([name, value]) => `${name} ${value.toPrecision(4)}`)
            .join(', ')}`,
        );
      }
      let scorerFigures: Readonly<Record<string, number>> | undefined;
      if (images !== undefined && stage === 'scorer') {
        const model = await openModelFolder(out);
        const [imageTokenizer, textTokenizer] = [await loadImageTokenizer(model, { backend, maximumBatch: 32 }), await loadTextTokenizer(model)];
        const ownSize = imageTokenizer.grid.columns * imageTokenizer.downsampling;
        if (ownSize !== size) throw new UsageError(`--size ${size}: this model's pictures are ${ownSize} pixels wide; give --size ${ownSize}.`);
        const pictures = images.examples
          .map(({ captions }, index) => ({ captions, pixels: images.pixels[index] ?? new Uint8Array() }))
          .filter(({ captions }) => captions.length > 0);
        if (pictures.length === 0) throw withoutCaptions(folder);
        const recipe = scorerRecipe({
          size,
          textVocabularySize: textTokenizer.vocabularySize,
          textLength: whole('text-length', 32),
          width: whole('scorer-width', 128),
          layers: whole('scorer-layers', 4),
          heads: whole('heads', 4),
          steps: whole('scorer-steps', 4000),
          batch: whole('scorer-batch', 32),
          learningRate: rate('scorer-rate', 4e-3),
          seed,
        });
        scorerFigures = await trainScorer({ recipe, pictures, textTokenizer, imageTokenizer, modelFolder: out, floats, backend, resume, output, signal });
        imageTokenizer.dispose();
        output.print(
          `scorer: ${Object.entries(scorerFigures)
            .map(([name, value]) => `${name} ${value.toPrecision(4)}`)
            .join(', ')}`,
        );
      }
      await writeFileAtomically(join(out, 'training', 'command.json'), `${JSON.stringify({ stage, seed, size, skipped: images?.skipped.length ?? 0 }, null, 2)}\n`);
      output.print(`${out} is ready${stage === 'tokenizer' ? '' : `: tesserae generate "…" --model ${out}`}`);
      return { model: out, seed, pictures: pictureCount, skipped: images?.skipped ?? [], imageTokenizer: tokenizerFigures, prior: priorFigures, scorer: scorerFigures };
    } finally {
      await backend.dispose();
    }
  },
};

interface ReadingOptions {
  readonly output: Output;
  readonly signal: AbortSignal;
  readonly originalsUpTo?: number;
}

async function readImages(folder: string, size: number, { output, signal, ...originals }: ReadingOptions): Promise<LoadedImages> {
  const reading = output.progress('reading pictures', 1, 'pictures');
  const found = await openFolder(folder, { signal });
  const images = await loadImages(found, { size, signal, ...originals, onProgress: ({ done, total }) => reading.update(done, `of ${total}`) });
  reading.end();
  for (const { file, reason } of images.skipped.slice(0, 5)) output.note(`skipped ${file}: ${reason}`);
  output.note(`${images.examples.length} pictures${images.skipped.length === 0 ? '' : `, ${images.skipped.length} skipped`}`);
  return images;
}

function withoutCaptions(folder: string): TesseraeError {
  return new TesseraeError('dataset-empty', `No picture in ${folder} has a caption.`, {
    remedy: 'Put a .txt file of the same name beside each picture, or a captions.jsonl into the folder; or train --stage tokenizer.',
  });
}

/** Whether a model folder already has a finished part. */
async function hasPart(folder: string, part: string): Promise<boolean> {
  return openModelFolder(folder, { verify: false }).then(
    (model) => model.index.parts[part] !== undefined,
    () => false,
  );
}
