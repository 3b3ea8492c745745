import { parseClipConfiguration } from '@tesserae/clip';
import { isTesseraeError, TesseraeError } from '@tesserae/core';
import {
  byteLevelTokenizerFile,
  charBpeTokenizerFile,
  clipTokenizerFile,
  minDalleTokenizerFile,
  parsePriorConfiguration,
  parseTokenizerFile,
  type TextTokenizerConfiguration,
  type TokenizerFile,
  textTokenizerFromFile,
  type VocabularyFiles,
} from '@tesserae/transformer';
import type { PartName } from './families/family.js';
import type { PlannedPart } from './plan-conversion.js';

/** A text tokenizer as a peer keeps it. */
export type TextTokenizerSource = { readonly name: string } & (
  | { readonly kind: 'tokenizer.json'; readonly text: string }
  | { readonly kind: 'clip'; readonly text: string }
  | ({ readonly kind: 'vocabulary' } & VocabularyFiles)
);

/** A text tokenizer as a part of a model folder has it. */
export interface ReadTextTokenizer {
  readonly source: string;
  readonly files: { readonly 'tokenizer.json': TokenizerFile; readonly 'config.json'?: TextTokenizerConfiguration };
  /** Ids it gives: 0 to this, exclusive. */
  readonly vocabularySize: number;
}

/** `vocab.json` and `merges.txt` do not say how a text is made ready for them: the system they belong to does. */
const vocabularyReaders: Readonly<Record<string, (files: VocabularyFiles) => TokenizerFile>> = {
  'min-dalle-prior': minDalleTokenizerFile,
  'mindalle-prior': charBpeTokenizerFile,
};

function fileOf(source: TextTokenizerSource, family: string): TokenizerFile {
  switch (source.kind) {
    case 'tokenizer.json':
      return parseTokenizerFile(source.text);
    case 'clip':
      return clipTokenizerFile(source.text);
    case 'vocabulary':
      return (vocabularyReaders[family] ?? byteLevelTokenizerFile)(source);
    default:
      return source satisfies never;
  }
}

/**
 * Reads a peer's text tokenizer for a model of `family`.
 * @throws TesseraeError `file-corrupt`; `model-incompatible` when it has parts that are unknown here, or more tokens than the model's `known`.
 */
export function readTextTokenizer(source: TextTokenizerSource, family: string, known: number): ReadTextTokenizer {
  const file = fileOf(source, family);
  const { vocabularySize } = textTokenizerFromFile(file);
  if (vocabularySize > known) {
    throw new TesseraeError('model-incompatible', `${source.name} has ${vocabularySize} tokens, the model knows ${known}.`, {
      remedy: 'Give the text tokenizer that the model was trained with.',
      details: { vocabularySize, known },
    });
  }
  return {
    source: source.name,
    files: { 'tokenizer.json': file, ...(source.kind === 'clip' ? { 'config.json': { kind: 'text-tokenizer', cleaning: 'clip' } as const } : {}) },
    vocabularySize,
  };
}

/** Ids that a part reads texts by; undefined where it reads none. */
function knownIds({ part, configuration }: PlannedPart): number | undefined {
  if (part === 'scorer') return configuration.kind === 'clip' ? parseClipConfiguration(configuration).text.vocabularySize : undefined;
  if (part !== 'prior') return undefined;
  const prior = parsePriorConfiguration(configuration);
  const condition = prior.condition?.kind ?? 'text';
  return condition === 'text' || condition === 'encoder' ? prior.textVocabularySize : undefined;
}

export interface TextTokenizerPlan {
  /** By the part that reads texts by it: `prior`, `scorer`. */
  readonly tokenizers: ReadonlyMap<PartName, ReadTextTokenizer>;
  /** Parts that got none, and what was not taken, as sentences. */
  readonly remarks: readonly string[];
}

const advice: Readonly<Partial<Record<PartName, string>>> = {
  prior: 'The prior has no text tokenizer and can be asked by token ids only. --text-tokenizer FILE gives it one.',
  scorer: "CLIP reads texts by a tokenizer of its own, without which it scores nothing. --text-tokenizer bpe_simple_vocab_16e6.txt.gz gives it OpenAI's.",
};

/**
 * Which text tokenizer goes to which part. CLIP's vocabulary is a scorer's first; a prior takes it when there is no other, as DALLE-pytorch does.
 * @throws TesseraeError as `readTextTokenizer` when the sources were `given` by name, or no part reads text; what merely lay beside is passed over with a remark.
 */
export function planTextTokenizers(planned: readonly PlannedPart[], sources: readonly TextTokenizerSource[], given: boolean): TextTokenizerPlan {
  const tokenizers = new Map<PartName, ReadTextTokenizer>();
  const remarks: string[] = [];
  const readers = planned.flatMap((part) => {
    const known = knownIds(part);
    return known === undefined ? [] : [{ part, known }];
  });
  if (given && readers.length === 0) {
    throw new TesseraeError('invalid-argument', `A text tokenizer was given, but nothing that reads text: ${planned.map(({ part }) => part).join(', ')}.`, {
      remedy: 'Leave --text-tokenizer out, or name the prior or CLIP it belongs to as well.',
    });
  }
  const [clips, others] = [sources.filter(({ kind }) => kind === 'clip'), sources.filter(({ kind }) => kind !== 'clip')];
  const alone = readers.length === 1;
  for (const { part, known } of readers) {
    const fitting = part.part === 'scorer' ? [...clips, ...(alone ? others : [])] : [...others, ...clips];
    for (const source of fitting) {
      try {
        tokenizers.set(part.part, readTextTokenizer(source, part.family, known));
        break;
      } catch (cause) {
        if (given || !isTesseraeError(cause)) throw cause;
        remarks.push(`${source.name} beside it is not the text tokenizer: ${cause.message}`);
      }
    }
    const missing = advice[part.part];
    if (!tokenizers.has(part.part) && missing !== undefined) remarks.push(missing);
  }
  return { tokenizers, remarks };
}
