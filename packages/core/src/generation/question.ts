import { TesseraeError } from '../errors/index.js';
import type { Conditioning, ImagePrior, Question, TextTokenizer } from '../models/index.js';
import type { ResolvedRequest } from './request.js';

const nothing = new Int32Array(0);

const named: Readonly<Record<Conditioning['kind'], string>> = { text: 'a sentence', class: 'a class', features: "another encoder's features of a sentence" };

function refuse(wanted: Conditioning['kind'], given: Conditioning['kind'], remedy: string): never {
  throw new TesseraeError('prompt-invalid', `This model is asked by ${named[wanted]}, not by ${named[given]}.`, { remedy, details: { wanted, given } });
}

interface Asked {
  readonly prior: ImagePrior;
  readonly textTokenizer?: TextTokenizer;
  warn(message: string): void;
}

function encodePrompt({ prompt, truncate }: ResolvedRequest, { prior, textTokenizer, warn }: Asked): Int32Array {
  if (textTokenizer === undefined) {
    throw new TesseraeError('model-incompatible', 'The model reads sentences, but comes without a text tokenizer.', {
      remedy: 'Give the one that it was trained with: the part textTokenizer of its folder, or textTokenizer of createGenerator.',
    });
  }
  const ids = textTokenizer.encode(prompt);
  if (ids.length <= prior.textLength) return ids;
  if (!truncate) {
    throw new TesseraeError('prompt-invalid', `The prompt is ${ids.length} tokens long; the model reads ${prior.textLength}.`, {
      remedy: 'Shorten it, or set truncate to drop its end.',
      details: { tokens: ids.length },
    });
  }
  warn(`the prompt's last ${ids.length - prior.textLength} tokens were dropped`);
  return ids.slice(0, prior.textLength);
}

/** What the prior is asked by a request. @throws TesseraeError `prompt-invalid` where it knows no such question, `model-incompatible` without a text tokenizer. */
export function questionOf(request: ResolvedRequest, asked: Asked): Question {
  const { classLabel, features } = request;
  const { conditioning = { kind: 'text' } } = asked.prior;
  const given = features !== undefined ? 'features' : classLabel !== undefined ? 'class' : 'text';
  switch (conditioning.kind) {
    case 'text':
      return given === 'text' ? { text: encodePrompt(request, asked) } : refuse('text', given, 'Give a prompt alone.');
    case 'class': {
      const { classes } = conditioning;
      if (classLabel === undefined) return refuse('class', given, `Give classLabel, a number from 0 to ${classes - 1}.`);
      if (classLabel < classes) return { text: Int32Array.of(classLabel) };
      throw new TesseraeError('prompt-invalid', `There is no class ${classLabel}; this model knows ${classes}.`, {
        remedy: `Use 0 to ${classes - 1}.`,
        details: { classLabel, classes },
      });
    }
    case 'features': {
      const { length, width } = conditioning;
      return features === undefined ? refuse('features', given, `Give features: ${length} vectors of ${width} numbers, and a mask.`) : { text: nothing, features };
    }
    default:
      return conditioning satisfies never;
  }
}

/** The question that tells nothing, for guidance. Of features the mask stays: LlamaGen hides the same positions in both branches. */
export function withoutContent({ features }: Question): Question {
  return { text: nothing, ...(features === undefined ? {} : { features: features.mask === undefined ? {} : { mask: features.mask } }) };
}
