import type { GenerateRequest, Generator, ImageTokenizer, Picture } from '@tesserae/core';
import { createSceneJudge, drawScene, parseCaption, type Scene, type SceneVerdict, type Split, sampleExample, summariseVerdicts, type VerdictRates } from '@tesserae/datasets';

/** A set of prompts of the procedural scenes. */
export interface EvaluationSet {
  readonly name: string;
  readonly split: Split;
  readonly kind: Scene['kind'];
}

/** What `eval` asks for unless told otherwise: seen pairs of colour and shape, then pairs the training never showed. */
export const evaluationSets: readonly EvaluationSet[] = [
  { name: 'one object', split: 'validation', kind: 'one' },
  { name: 'two objects', split: 'validation', kind: 'two' },
  { name: 'zero-shot, one object', split: 'zeroshot', kind: 'one' },
];

export interface JudgedPrompt {
  readonly prompt: string;
  readonly picture: Picture;
  readonly verdict: SceneVerdict;
}

export interface EvaluatedSet {
  readonly set: EvaluationSet;
  readonly judged: readonly JudgedPrompt[];
  readonly rates: VerdictRates;
  /** Of the scenes themselves, where a prior was evaluated (`bitsPerImageToken`). */
  readonly bitsPerImageToken?: number;
}

export interface EvaluateScenesOptions {
  /** Prompts, and thus pictures, a set. */
  readonly count: number;
  /** Of the scenes that give the prompts. */
  readonly seed: number;
  /** Called after every picture. */
  readonly onProgress?: (done: number) => void;
  readonly signal: AbortSignal;
}

async function judgeSet(set: EvaluationSet, options: EvaluateScenesOptions, draw: (scene: Scene, caption: string, index: number) => Promise<Picture>): Promise<EvaluatedSet> {
  const judge = createSceneJudge();
  const judged: JudgedPrompt[] = [];
  for (let index = 0; index < options.count; index += 1) {
    options.signal.throwIfAborted();
    const { scene, caption } = sampleExample(options.seed, set.split, index, { kind: set.kind });
    const picture = await draw(scene, caption, index);
    // Only what the caption says is asked for: it may leave the size or more open.
    judged.push({ prompt: caption, picture, verdict: judge(picture, parseCaption(caption) ?? scene) });
    options.onProgress?.(judged.length);
  }
  return { set, judged, rates: summariseVerdicts(judged.map(({ verdict }) => verdict)).all };
}

/** The scenes that a set's prompts describe, as pictures `size` pixels wide, with those prompts. */
export function sceneExamples(
  set: EvaluationSet,
  { count, seed }: Pick<EvaluateScenesOptions, 'count' | 'seed'>,
  size: number,
): { readonly captions: readonly string[]; readonly pixels: Uint8Array }[] {
  return Array.from({ length: count }, (_, index) => {
    const { scene, caption } = sampleExample(seed, set.split, index, { kind: set.kind });
    return { captions: [caption], pixels: drawScene(scene, size).data };
  });
}

/** Generates one picture a prompt and judges it by plain image analysis. Prompt i is sampled with seed `seed + i`. */
export function evaluateGenerator(
  set: EvaluationSet,
  generator: Generator,
  request: Omit<GenerateRequest, 'prompt' | 'candidates' | 'seed' | 'signal'>,
  options: EvaluateScenesOptions,
): Promise<EvaluatedSet> {
  return judgeSet(set, options, async (_, prompt, index) => {
    const { images } = await generator.generate({ ...request, prompt, candidates: 1, seed: options.seed + index, signal: options.signal });
    const [image] = images;
    if (image === undefined) throw new RangeError('a generator gave no picture');
    return image.picture;
  });
}

/** The same pictures only sent through the image tokenizer and back: what no prior over its codes can exceed by much. */
export function evaluateImageTokenizer(set: EvaluationSet, tokenizer: ImageTokenizer, options: EvaluateScenesOptions): Promise<EvaluatedSet> {
  return judgeSet(set, options, async (scene) => {
    const size = tokenizer.grid.columns * tokenizer.downsampling;
    const codes = await tokenizer.encode([drawScene(scene, size)], { signal: options.signal });
    const [picture] = await tokenizer.decode(codes, tokenizer.grid, { signal: options.signal });
    if (picture === undefined) throw new RangeError('a tokenizer gave no picture');
    return picture;
  });
}
