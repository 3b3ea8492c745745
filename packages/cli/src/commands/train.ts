import { extname, join } from 'node:path';
import { openModelFolder, writeFileAtomically } from '@tesserae/core/node';
import { largestUsefulSide } from '@tesserae/datasets';
import { type LoadedImages, loadImages, openFolder } from '@tesserae/datasets/node';
import { openBackend } from '../backends.js';
import { type Command, engineOptions, flag, textOption, UsageError } from '../command.js';
import type { Output } from '../terminal/output.js';
import { imageTokenizerOptions, planImageTokenizer, trainImageTokenizerStage } from '../training/stages/image-tokenizer-stage.js';
import { planPrior, priorOptions, trainPriorStage } from '../training/stages/prior-stage.js';
import { planScorer, scorerOptions, trainScorerStage } from '../training/stages/scorer-stage.js';
import { type StageContext, wholeOption } from '../training/stages/stage.js';

const storedTypes = ['float32', 'float16'] as const;
const stages = ['both', 'tokenizer', 'prior', 'scorer'] as const;

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
    dtype: { type: 'string', value: 'NAME', help: 'how weights are stored: float32 (default) or float16, half the size' },
    ...imageTokenizerOptions,
    ...priorOptions,
    ...scorerOptions,
    ...engineOptions,
  },
  async run(context) {
    const { positionals, options, output, signal } = context;
    const [source] = positionals;
    const modelFolder = textOption(options, 'out');
    if (source === undefined) throw new UsageError('Name the folder with the pictures.');
    if (modelFolder === undefined) throw new UsageError('Say where the model goes: --out ./my-model.');
    const stage = stages.find((name) => name === (textOption(options, 'stage') ?? 'both'));
    if (stage === undefined) throw new UsageError(`--stage ${textOption(options, 'stage')}: use ${stages.join(', ')}.`);
    const floats = storedTypes.find((name) => name === (textOption(options, 'dtype') ?? 'float32'));
    if (floats === undefined) throw new UsageError(`--dtype ${textOption(options, 'dtype')}: use ${storedTypes.join(' or ')}.`);
    const [seed, size, resume] = [wholeOption(options, 'seed', 0, 0), wholeOption(options, 'size', 64, 8), flag(options, 'resume')];
    // All options are read before anything is trained: a mistake in the last stage's must not cost the first stage's hours.
    const plans = { imageTokenizer: planImageTokenizer(options, { size, seed }), prior: planPrior(options), scorer: planScorer(options) };
    const isCoded = extname(source) === '.safetensors';
    if (isCoded && plans.prior.choices.augment) throw new UsageError(`${source} holds codes, which cannot be augmented: give the folder of pictures with --augment.`);
    if (isCoded && stage !== 'prior') throw new UsageError(`${source} holds codes, which only --stage prior can be trained on.`);

    const backend = await openBackend(context);
    try {
      output.note(`seed ${seed}, ${backend.description}`);
      const { augment } = plans.imageTokenizer.choices;
      const images = isCoded ? undefined : await readImages(source, size, { output, signal, ...(augment ? { originalsUpTo: largestUsefulSide(size) } : {}) });
      const shared: StageContext = { modelFolder, size, seed, resume, floats, backend, output, signal };
      // A resumed training of both stages does not begin again with a first stage that is finished.
      const trainsTokenizer = stage === 'tokenizer' || (stage === 'both' && !(resume && (await hasPart(modelFolder, 'imageTokenizer'))));
      const imageTokenizer = images !== undefined && trainsTokenizer ? await trainImageTokenizerStage(shared, plans.imageTokenizer, images) : undefined;
      const prior = stage === 'both' || stage === 'prior' ? await trainPriorStage(shared, plans.prior, images, source) : undefined;
      const scorer = images !== undefined && stage === 'scorer' ? await trainScorerStage(shared, plans.scorer, images, source) : undefined;

      const skipped = images?.skipped ?? [];
      await writeFileAtomically(join(modelFolder, 'training', 'command.json'), `${JSON.stringify({ stage, seed, size, skipped: skipped.length }, null, 2)}\n`);
      output.print(`${modelFolder} is ready${stage === 'tokenizer' ? '' : `: tesserae generate "…" --model ${modelFolder}`}`);
      return { model: modelFolder, seed, pictures: images?.examples.length ?? prior?.pictures ?? 0, skipped, imageTokenizer, prior: prior?.figures, scorer };
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

/** Whether a model folder already has a finished part. */
async function hasPart(folder: string, part: string): Promise<boolean> {
  return openModelFolder(folder, { verify: false }).then(
    (model) => model.index.parts[part] !== undefined,
    () => false,
  );
}
