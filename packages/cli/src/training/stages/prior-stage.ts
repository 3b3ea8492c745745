import { openModelFolder } from '@tesserae/core/node';
import type { LoadedImages } from '@tesserae/datasets/node';
import { createBytePairTokenizer, parsePriorConfiguration, trainBytePairModel } from '@tesserae/transformer';
import { numberOption, type OptionSpec, type OptionValues, textOption, UsageError } from '../../command.js';
import { loadImageTokenizer } from '../../model.js';
import { codedBy, encodePictures } from '../coded-pictures.js';
import { type PriorChoices, priorRecipe } from '../recipes.js';
import { trainPrior } from '../train-prior.js';
import { captionedPictures, type Figures, onlyCaptioned, printFigures, rateOption, type StageContext, wholeOption } from './stage.js';

export const priorOptions: Readonly<Record<string, OptionSpec>> = {
  width: { type: 'string', value: 'N', help: 'width of the prior (default 256)' },
  layers: { type: 'string', value: 'N', help: 'its layers (default 6)' },
  heads: { type: 'string', value: 'N', help: 'its attention heads (default 8)' },
  attention: { type: 'string', value: 'NAME', help: 'full (default) or paper' },
  'text-length': { type: 'string', value: 'N', help: 'text tokens it reads (default 32)' },
  vocabulary: { type: 'string', value: 'N', help: 'text tokens it knows (default 1024)' },
  'bpe-dropout': {
    type: 'string',
    value: 'X',
    help: "how often merges of the captions' tokens are left out, against learning few spellings by heart (default 0; the paper's 0.1)",
  },
  'prior-steps': { type: 'string', value: 'N', help: 'updates of stage two (default 4000)' },
  'prior-batch': { type: 'string', value: 'N', help: 'pictures an update (default 32)' },
  'prior-rate': { type: 'string', value: 'X', help: 'highest learning rate (default 5e-3)' },
};

/** What the options say of stage two; the rest comes from the image tokenizer and the captions. */
export interface PriorPlan {
  readonly vocabularySize: number;
  readonly choices: Omit<PriorChoices, 'grid' | 'codebookSize' | 'textVocabularySize' | 'seed'>;
}

/** @throws UsageError naming the option. */
export function planPrior(options: OptionValues): PriorPlan {
  const attention = textOption(options, 'attention') ?? 'full';
  if (attention !== 'full' && attention !== 'paper') throw new UsageError(`--attention ${attention}: use full or paper.`);
  return {
    vocabularySize: wholeOption(options, 'vocabulary', 1024, 257),
    choices: {
      textLength: wholeOption(options, 'text-length', 32),
      width: wholeOption(options, 'width', 256),
      layers: wholeOption(options, 'layers', 6),
      heads: wholeOption(options, 'heads', 8),
      attention,
      bpeDropout: numberOption(options, 'bpe-dropout', { minimum: 0, maximum: 1 }) ?? 0,
      steps: wholeOption(options, 'prior-steps', 4000),
      batch: wholeOption(options, 'prior-batch', 32),
      learningRate: rateOption(options, 'prior-rate', 5e-3),
    },
  };
}

/** Trains stage two on pictures, or on the codes in the file `source`. */
export async function trainPriorStage(
  context: StageContext,
  plan: PriorPlan,
  images: LoadedImages | undefined,
  source: string,
): Promise<{ readonly figures: Figures; readonly pictures: number }> {
  const { modelFolder, size, seed, floats, backend, resume, output, signal } = context;
  const model = await openModelFolder(modelFolder);
  const tokenizer = await loadImageTokenizer(model, { backend, maximumBatch: 32 });
  const { pictures: all, grid } =
    images === undefined ? await codedBy(model, source) : { grid: tokenizer.grid, pictures: await encodePictures(tokenizer, captionedPictures(images), size, { output, signal }) };
  const { codebookSize } = tokenizer;
  tokenizer.dispose();
  const pictures = onlyCaptioned(all, source);
  const captions = pictures.flatMap((picture) => picture.captions);
  const textModel = trainBytePairModel(captions, { vocabularySize: plan.vocabularySize, signal });
  const textTokenizer = createBytePairTokenizer(textModel);
  const recipe = priorRecipe({ ...plan.choices, grid, codebookSize, textVocabularySize: textTokenizer.vocabularySize, seed });
  parsePriorConfiguration(recipe.configuration);
  const figures = await trainPrior({ recipe, pictures, textModel, textTokenizer, modelFolder, floats, backend, resume, output, signal });
  printFigures(output, 'prior', figures);
  return { figures, pictures: all.length };
}
