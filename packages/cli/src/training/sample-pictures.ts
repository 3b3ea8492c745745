import { join } from 'node:path';
import {
  type Backend,
  createGenerator,
  type HostArray,
  type ImageTokenizer,
  stateNames,
  type TextTokenizer,
  type TrainingLook,
  type TrainingStep,
  weightsFromArrays,
} from '@tesserae/core';
import { writeFileAtomically } from '@tesserae/core/node';
import { createTransformerPrior, type PriorConfiguration } from '@tesserae/transformer';
import { writeStrip } from '../pictures.js';
import type { GenerationSettings } from '../sampling.js';

/** Candidates of each prompt, side by side. */
const samplesAPrompt = 4;

/** Beside the contact sheets: what their rows were asked for. */
export const samplePromptsFile = 'samples.json';
/** `samples-000500.png`: after 500 updates. */
export const sampleSheet = (step: number): string => `samples-${String(step).padStart(6, '0')}.png`;
/** The updates of a sheet, by its name; undefined for other files. */
export function updatesOfSheet(name: string): number | undefined {
  const [, digits] = /^samples-(\d+)\.png$/.exec(name) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

/** What is asked of a prior while it is trained, and how often. */
export interface WantedSamples {
  /** Updates between two sheets; there is one at the end too. */
  readonly every: number;
  readonly prompts: readonly string[];
}

export interface SamplePicturesOptions {
  readonly samples: WantedSamples;
  readonly step: TrainingStep;
  readonly configuration: PriorConfiguration;
  readonly generation: GenerationSettings;
  readonly seed: number;
  readonly imageTokenizer: ImageTokenizer;
  readonly textTokenizer: TextTokenizer;
  readonly backend: Backend;
  /** Where the contact sheets go. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/**
 * Draws the same candidates of the same prompts by the weights of the moment, the averaged ones where there are any: a row a prompt, the same
 * seed every time. Reads the training's state and changes nothing of it.
 */
export function samplePictures(options: SamplePicturesOptions): TrainingLook {
  const { samples, step, configuration, generation, seed, imageTokenizer, textTokenizer, backend, folder, signal } = options;
  return {
    every: samples.every,
    async look(store, done) {
      const arrays = new Map<string, HostArray>();
      for (const name of step.specs.keys()) arrays.set(name, await store.read(step.options.ema === undefined ? name : stateNames.average(name)));
      const prior = createTransformerPrior({ config: configuration, weights: weightsFromArrays(arrays), backend, maximumBatch: samplesAPrompt });
      const { emptyTextWeight: _, ...sampling } = generation;
      try {
        const generator = createGenerator({ imageTokenizer, textTokenizer, prior });
        const rows = [];
        for (const prompt of samples.prompts) {
          const { images } = await generator.generate({ prompt, candidates: samplesAPrompt, seed, truncate: true, signal, ...sampling });
          rows.push(images.map(({ picture }) => picture));
        }
        await writeFileAtomically(join(folder, samplePromptsFile), `${JSON.stringify({ prompts: samples.prompts }, null, 2)}\n`);
        await writeStrip(join(folder, sampleSheet(done)), rows);
      } finally {
        prior.dispose();
      }
    },
  };
}
