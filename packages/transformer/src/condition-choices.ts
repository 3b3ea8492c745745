import type { Conditioning } from '@tesserae/core';
import { choice, invalid, optional, recordOf, wholeNumber } from './configuration-fields.js';

/** A text whose tokens stand before the picture's and are predicted too (DALL-E). */
export interface TextCondition {
  readonly kind: 'text';
  /** What precedes the text: a vector of its own, token 0 with a position (DALLE-pytorch), or nothing (minDALL-E). Default `own`. */
  readonly start?: 'own' | 'first-token' | 'none';
  /** The id of free positions. Default: each position has its own learned padding. */
  readonly padding?: number;
  /** What the empty text reads as, before padding. Default: nothing. */
  readonly emptyText?: readonly number[];
}

/** One of `textVocabularySize` classes, or none (the empty text), as one token; `textLength` is 1 (LlamaGen). */
export interface ClassCondition {
  readonly kind: 'class';
}

/** Another encoder's features of a text, `textLength` vectors of `width`, through a small network (LlamaGen, T5 features). */
export interface FeaturesCondition {
  readonly kind: 'features';
  readonly width: number;
}

/** A text that an encoder of its own reads; blocks look at it by cross-attention (BART; DALL-E mini). */
export interface EncoderCondition {
  readonly kind: 'encoder';
  /** Blocks of the encoder. */
  readonly layers: number;
  /** The text id that is not looked at. */
  readonly padding: number;
  readonly emptyText?: readonly number[];
  /** The image id that stands before the picture. */
  readonly startToken: number;
}

/** What a prior is told about the picture. */
export type Condition = TextCondition | ClassCondition | FeaturesCondition | EncoderCondition;

const kinds: Readonly<Record<Condition['kind'], true>> = { text: true, class: true, features: true, encoder: true };
const starts: Readonly<Record<NonNullable<TextCondition['start']>, true>> = { own: true, 'first-token': true, none: true };

export function conditionOf({ condition = { kind: 'text' } }: { readonly condition?: Condition }): Condition {
  return condition;
}

/** What a prior of this configuration may be asked. */
export function conditioningOf(configuration: { readonly condition?: Condition; readonly textVocabularySize: number; readonly textLength: number }): Conditioning {
  const condition = conditionOf(configuration);
  switch (condition.kind) {
    case 'text':
    case 'encoder':
      return { kind: 'text' };
    case 'class':
      return { kind: 'class', classes: configuration.textVocabularySize };
    case 'features':
      return { kind: 'features', length: configuration.textLength, width: condition.width };
    default:
      return condition satisfies never;
  }
}

function ids(value: unknown, field: string): readonly number[] {
  return Array.isArray(value) ? value.map((id: unknown, position) => wholeNumber(id, `${field}[${position}]`, 0)) : invalid(field, value, 'List text ids.');
}

/** Checks a condition that may have come from a file. @throws TesseraeError `invalid-argument` naming the field. */
export function parseCondition(value: unknown, field: string): Condition {
  const given = recordOf(value, field);
  const kind = choice(given.kind, `${field}.kind`, kinds);
  const id = (number: unknown, name: string): number => wholeNumber(number, name, 0);
  const emptyText = optional(given, 'emptyText', ids, `${field}.`);
  switch (kind) {
    case 'text':
      return { kind, ...optional(given, 'start', (name, place) => choice(name, place, starts), `${field}.`), ...optional(given, 'padding', id, `${field}.`), ...emptyText };
    case 'class':
      return { kind };
    case 'features':
      return { kind, width: wholeNumber(given.width, `${field}.width`) };
    case 'encoder':
      return {
        kind,
        layers: wholeNumber(given.layers, `${field}.layers`),
        padding: id(given.padding, `${field}.padding`),
        ...emptyText,
        startToken: id(given.startToken, `${field}.startToken`),
      };
    default:
      return kind satisfies never;
  }
}
