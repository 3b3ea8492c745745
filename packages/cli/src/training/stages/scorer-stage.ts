import { openModelFolder } from '@tesserae/core/node';
import type { LoadedImages } from '@tesserae/datasets/node';
import { type OptionSpec, type OptionValues, UsageError } from '../../command.js';
import { loadImageTokenizer, loadTextTokenizer } from '../../model.js';
import { type ScorerChoices, scorerRecipe } from '../recipes.js';
import { trainScorer } from '../train-scorer.js';
import { captionedPictures, type Figures, onlyCaptioned, printFigures, rateOption, type StageContext, wholeOption } from './stage.js';

export const scorerOptions: Readonly<Record<string, OptionSpec>> = {
  'scorer-width': { type: 'string', value: 'N', help: 'width of the scorer (default 128)' },
  'scorer-layers': { type: 'string', value: 'N', help: 'its layers (default 4)' },
  'scorer-heads': { type: 'string', value: 'N', help: 'its attention heads (default 4)' },
  'scorer-steps': { type: 'string', value: 'N', help: 'updates of it (default 4000)' },
  'scorer-batch': { type: 'string', value: 'N', help: 'pictures an update (default 32)' },
  'scorer-rate': { type: 'string', value: 'X', help: 'highest learning rate (default 4e-3)' },
};

/** What the options say of the scorer; the rest comes from the model it is for. */
export type ScorerPlan = Omit<ScorerChoices, 'size' | 'textVocabularySize' | 'seed'>;

/** @throws UsageError naming the option. */
export function planScorer(options: OptionValues): ScorerPlan {
  return {
    textLength: wholeOption(options, 'text-length', 32),
    width: wholeOption(options, 'scorer-width', 128),
    layers: wholeOption(options, 'scorer-layers', 4),
    heads: wholeOption(options, 'scorer-heads', 4),
    steps: wholeOption(options, 'scorer-steps', 4000),
    batch: wholeOption(options, 'scorer-batch', 32),
    learningRate: rateOption(options, 'scorer-rate', 4e-3),
  };
}

/** Trains a scorer of candidates for a model that has its other parts. */
export async function trainScorerStage(context: StageContext, plan: ScorerPlan, images: LoadedImages, source: string): Promise<Figures> {
  const { modelFolder, size, seed, floats, backend, resume, output, signal } = context;
  const model = await openModelFolder(modelFolder);
  const [imageTokenizer, textTokenizer] = [await loadImageTokenizer(model, { backend, maximumBatch: 32 }), await loadTextTokenizer(model)];
  try {
    const ownSize = imageTokenizer.grid.columns * imageTokenizer.downsampling;
    if (ownSize !== size) throw new UsageError(`--size ${size}: this model's pictures are ${ownSize} pixels wide; give --size ${ownSize}.`);
    const pictures = onlyCaptioned(captionedPictures(images), source);
    const recipe = scorerRecipe({ ...plan, size, textVocabularySize: textTokenizer.vocabularySize, seed });
    const figures = await trainScorer({ recipe, pictures, textTokenizer, imageTokenizer, modelFolder, floats, backend, resume, output, signal });
    printFigures(output, 'scorer', figures);
    return figures;
  } finally {
    imageTokenizer.dispose();
  }
}
