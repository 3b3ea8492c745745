import { paperDvae } from '@tesserae/dvae';
import { describe, expect, it } from 'vitest';
import { describeRecipe, describeSchedule } from './describe-recipe.js';
import { dvaeRelativeRecipe, dvaeRelatives, publishedRelativeRecipe } from './dvae-relative-recipes.js';
import { type ImageTokenizerChoices, imageTokenizerRecipe, type PriorChoices, paperRecipe, priorRecipe } from './recipes.js';

const choices: ImageTokenizerChoices = {
  size: 256,
  codebookSize: 8192,
  hidden: 256,
  downsampling: 8,
  blocksPerGroup: 2,
  steps: 3_000_000,
  warmUpSteps: 0,
  refinementSteps: 0,
  batch: 512,
  learningRate: 1e-4,
  seed: 0,
  augment: true,
  seamless: false,
};

describe("the paper's recipe", () => {
  it('is Appendix A, number by number', () => {
    const { configuration, warmUp, refinement, ...recipe } = paperRecipe(choices);
    expect(configuration).toEqual(paperDvae);
    expect([warmUp.steps, refinement.steps]).toEqual([0, 0]);
    expect(recipe).toEqual({
      steps: 3_000_000,
      batch: 512,
      seed: 0,
      augment: true,
      rateWeight: 0,
      learningRate: { kind: 'cosine', from: 1e-4, to: 1.25e-6, steps: 1_200_000 },
      temperature: { kind: 'cosine', from: 1, to: 1 / 16, steps: 150_000 },
      klWeight: { kind: 'cosine', from: 0, to: 6.6, steps: 5_000 },
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
      weightDecay: 1e-4,
      ema: 0.999,
    });
  });

  it('is shortened as a whole', () => {
    const { learningRate, temperature, klWeight } = paperRecipe({ ...choices, steps: 3000 });
    expect([learningRate, temperature, klWeight].map((schedule) => ('steps' in schedule ? schedule.steps : 0))).toEqual([1200, 150, 5]);
  });

  it('keeps the published residual gain, unless there is a warm-up', () => {
    expect(paperRecipe(choices).configuration.residualGain).toBeUndefined();
    expect(paperRecipe({ ...choices, warmUpSteps: 10 }).configuration.residualGain).toBe(0.25);
  });
});

describe('the recipe of a prior', () => {
  const prior: PriorChoices = {
    grid: { rows: 8, columns: 8 },
    codebookSize: 64,
    textVocabularySize: 300,
    textLength: 16,
    width: 32,
    layers: 2,
    heads: 2,
    attention: 'paper',
    steps: 4000,
    batch: 16,
    accumulate: 1,
    learningRate: 4.5e-4,
    schedule: 'cosine',
    captionDropout: 0.1,
    augment: false,
    seed: 0,
  };

  it('is Appendix B: AdamW, clipping, average, and on request its halvings and its batch in parts', () => {
    expect(priorRecipe(prior)).toMatchObject({ beta2: 0.96, weightDecay: 4.5e-2, clipNorm: 4, ema: 0.99, captionDropout: 0.1 });
    const halved = priorRecipe({ ...prior, schedule: 'plateau', accumulate: 64, augment: true });
    expect(halved).toMatchObject({ accumulate: 64, augment: true, learningRate: { kind: 'warmup-plateau', peak: 4.5e-4, warmup: 200, window: 200, halvings: 5 } });
    expect(describeRecipe(halved)).toBe('4000 updates of 64 × 16; learningRate 0 → 0.00045 in 200, halved after 200 updates without improvement, 5 times at most');
    expect(JSON.parse(JSON.stringify(halved))).toEqual(halved);
  });

  it('says nothing of what it leaves as it was, so that trainings begun before go on', () => {
    expect(Object.keys(priorRecipe(prior))).toEqual([
      'configuration',
      'steps',
      'batch',
      'seed',
      'learningRate',
      'beta2',
      'muon',
      'weightDecay',
      'clipNorm',
      'ema',
      'captionDropout',
      'generation',
    ]);
  });
});

describe('every recipe', () => {
  it('is plain data that JSON keeps, and wraps around when asked to', () => {
    const all = [imageTokenizerRecipe, paperRecipe].map((make) => make({ ...choices, seamless: true }));
    const relatives = dvaeRelatives.flatMap((name) => [dvaeRelativeRecipe, publishedRelativeRecipe].map((make) => make(name, { ...choices, seamless: true })));
    for (const recipe of [...all, ...relatives]) {
      expect(JSON.parse(JSON.stringify(recipe))).toEqual(recipe);
      expect(recipe.configuration.seamless).toBe(true);
      expect(recipe.augment).toBe(true);
    }
  });

  it('says in one line what changes with the step', () => {
    expect(describeRecipe(paperRecipe({ ...choices, steps: 3000 }))).toBe(
      '3000 updates of 512; learningRate 0.0001 → 0.00000125 in 1200 updates; temperature 1 → 0.0625 in 150 updates; klWeight 0 → 6.6 in 5 updates',
    );
    expect(describeRecipe(publishedRelativeRecipe('strided-dvae', choices))).toContain('temperature 1 → 0.5 in 11800 updates');
    expect(describeSchedule({ kind: 'warmup-cosine', peak: 0.5, warmup: 3, final: 0.01, steps: 9 })).toBe('0 → 0.5 in 3, → 0.01 in 9 updates');
  });

  it('lets the codebook be moved otherwise', () => {
    expect(dvaeRelativeRecipe('vq-vae', { ...choices, steps: 1000 }).objective).toMatchObject({ codebookUpdate: 'average', revivedAfter: 50 });
    expect(dvaeRelativeRecipe('vqgan', choices, { codebookUpdate: 'average', revivedAfter: 7 }).objective).toMatchObject({ codebookUpdate: 'average', revivedAfter: 7 });
    expect(dvaeRelativeRecipe('vqgan', choices).objective).not.toHaveProperty('codebookUpdate');
  });
});
