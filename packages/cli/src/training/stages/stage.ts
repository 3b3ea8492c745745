import { type Backend, TesseraeError } from '@tesserae/core';
import type { LoadedImages } from '@tesserae/datasets/node';
import { numberOption, type OptionValues } from '../../command.js';
import type { Output } from '../../terminal/output.js';
import type { CaptionedPicture } from '../train-scorer.js';

/** What every stage of `tesserae train` is told. */
export interface StageContext {
  readonly modelFolder: string;
  /** Width and height of the pictures. */
  readonly size: number;
  readonly seed: number;
  readonly resume: boolean;
  /** How weights are stored. */
  readonly floats: 'float32' | 'float16';
  readonly backend: Backend;
  readonly output: Output;
  readonly signal: AbortSignal;
}

/** The last figures of a stage's validation, by name. */
export type Figures = Readonly<Record<string, number>>;

/** A whole number among the options, from `minimum` (1) on. */
export function wholeOption(options: OptionValues, name: string, fallback: number, minimum = 1): number {
  return numberOption(options, name, { minimum, integer: true }) ?? fallback;
}

/** A learning rate among the options. */
export function rateOption(options: OptionValues, name: string, fallback: number): number {
  return numberOption(options, name, { minimum: Number.MIN_VALUE, maximum: 1 }) ?? fallback;
}

export function printFigures(output: Output, label: string, figures: Figures): void {
  const shown = Object.entries(figures).map(([name, value]) => `${name} ${value.toPrecision(4)}`);
  output.print(`${label}: ${shown.join(', ')}`);
}

/** Loaded pictures with their captions. */
export function captionedPictures({ examples, pixels }: LoadedImages): CaptionedPicture[] {
  return examples.map(({ captions }, index) => ({ captions, pixels: pixels[index] ?? new Uint8Array() }));
}

/** Those that have a caption. @throws TesseraeError `dataset-empty` when none has. */
export function onlyCaptioned<Picture extends { readonly captions: readonly string[] }>(pictures: readonly Picture[], source: string): Picture[] {
  const captioned = pictures.filter(({ captions }) => captions.length > 0);
  if (captioned.length > 0) return captioned;
  throw new TesseraeError('dataset-empty', `No picture in ${source} has a caption.`, {
    remedy: 'Put a .txt file of the same name beside each picture, or a captions.jsonl into the folder; or train --stage tokenizer.',
  });
}
