import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { PriorConfiguration, PriorLossOptions } from '@tesserae/transformer';
import { type Benchmark, cost, type Figure, shares } from './benchmark.js';
import { interleave } from './measure.js';
import type { StepAnswer, StepSetting } from './step-process.js';

const batch = 2;
const layers = 8;

/** 1280 positions: start and 256 of text, 1023 of the image. */
const configurationOf = (width: number, attention: 'full' | 'paper'): PriorConfiguration => ({
  kind: 'prior',
  width,
  layers,
  heads: 8,
  textVocabularySize: 2048,
  textLength: 256,
  grid: { rows: 32, columns: 32 },
  codebookSize: 2048,
  attention,
});

/** The dense layers, which no pattern makes quicker, grow with the square of the width; attention does not. */
const widths = [128, 256] as const;

/** A step in a process of its own, so that each has its own peak of memory. */
function startProcess(configuration: PriorConfiguration, options: Omit<PriorLossOptions, 'batch'> = {}): ChildProcess {
  const setting: StepSetting = { configuration, options: { batch, ...options } };
  return fork(fileURLToPath(new URL('./step-process.ts', import.meta.url)), [JSON.stringify(setting)]);
}

async function stepIn(child: ChildProcess): Promise<StepAnswer> {
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`The process of a training step ended (${code}).`);
  });
  const answer = once(child, 'message').then(([message]) => message as StepAnswer);
  child.send('step');
  return Promise.race([answer, ended]);
}

async function measureWidth(width: number, rounds: number): Promise<Figure[]> {
  const children = {
    full: startProcess(configurationOf(width, 'full')),
    paper: startProcess(configurationOf(width, 'paper')),
    recomputed: startProcess(configurationOf(width, 'paper'), { recompute: 'layers' }),
  };
  const names = Object.keys(children) as (keyof typeof children)[];
  const latest = new Map<keyof typeof children, StepAnswer>();
  try {
    const contestant = (name: keyof typeof children) => async (): Promise<number> => {
      const answer = await stepIn(children[name]);
      latest.set(name, answer);
      return answer.seconds;
    };
    const seconds = await interleave({ full: contestant('full'), paper: contestant('paper'), recomputed: contestant('recomputed') }, rounds, 2);
    const mebibytes = (name: keyof typeof children): number => (latest.get(name)?.peak ?? Number.NaN) / 2 ** 20;
    const own = (name: keyof typeof children): number => mebibytes(name) - (latest.get(name)?.before ?? Number.NaN) / 2 ** 20;
    const milliseconds = (name: keyof typeof children): number[] => seconds[name].map((taken) => 1000 * taken);
    const at = `width ${width}:`;
    return [
      cost(`${at} time, paper / full`, '%', shares(seconds.paper, seconds.full), 50),
      cost(`${at} time, paper recomputed / full`, '%', shares(seconds.recomputed, seconds.full)),
      ...names.map((name) => cost(`${at} time, ${name}`, 'ms', milliseconds(name))),
      // One peak a process, not one a round.
      cost(`${at} peak memory, paper / full`, '%', shares([mebibytes('paper')], [mebibytes('full')]), 50),
      cost(`${at} the same above the idle process`, '%', shares([own('paper')], [own('full')])),
      cost(`${at} peak memory, paper recomputed / full`, '%', shares([mebibytes('recomputed')], [mebibytes('full')])),
      ...names.map((name) => cost(`${at} peak memory, ${name}`, 'MiB', [mebibytes(name)])),
    ];
  } finally {
    for (const child of Object.values(children)) child.kill();
  }
}

export const paperAttention: Benchmark = {
  name: 'paper-attention',
  summary: 'a training step over 1280 tokens with the paper’s attention against full attention, time and peak memory',
  rounds: 7,
  async run({ rounds }) {
    const figures: Figure[] = [];
    for (const width of widths) figures.push(...(await measureWidth(width, rounds)));
    return {
      setting: `forward, gradients and AdamW; ${layers} layers in the paper's order, 8 heads, text 256, image 32×32, vocabularies 2048, batch ${batch}; each side in a process of its own`,
      figures,
    };
  },
};
