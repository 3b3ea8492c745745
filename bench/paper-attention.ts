import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { nodeAt, prepareGraph, sizeOf } from '@tesserae/core';
import type { PriorConfiguration, PriorLossOptions } from '@tesserae/transformer';
import { type Benchmark, cost, type Figure, shares } from './benchmark.js';
import { interleave } from './measure.js';
import { priorStep } from './prior-step.js';
import type { StepAnswer, StepSetting } from './step-process.js';

const batch = 2;
const layers = 8;

interface Size {
  readonly width: number;
  readonly heads: number;
}

/**
 * The dense layers, which no pattern makes quicker, grow with the square of the width; attention grows with it, and its passes over scores with the heads.
 * `bench decode-paper` has the same layers and 16 heads, at a width of 1024, where attention over everything is a sixth of a step's products.
 */
const sizes: readonly Size[] = [
  { width: 128, heads: 16 },
  { width: 128, heads: 8 },
  { width: 256, heads: 16 },
];

/** 1280 positions: start and 256 of text, 1023 of the image. */
const configurationOf = ({ width, heads }: Size, attention: 'full' | 'paper'): PriorConfiguration => ({
  kind: 'prior',
  width,
  layers,
  heads,
  textVocabularySize: 2048,
  textLength: 256,
  grid: { rows: 32, columns: 32 },
  codebookSize: 2048,
  attention,
});

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

/** Floating-point operations of the products of a step, by the traced graph: only those of attention have heads, an axis of their own. */
function productsOf(configuration: PriorConfiguration): { readonly attention: number; readonly others: number } {
  const graph = prepareGraph(priorStep(configuration, { batch }).step.graph, { composites: new Set() });
  let [attention, others] = [0, 0];
  for (const node of graph.nodes) {
    if (node.operation !== 'matMul') continue;
    const left = nodeAt(graph, node.inputs[0] ?? 0).shape;
    const operations = 2 * sizeOf(node.shape) * (left[left.length - (node.attributes.transposeA ? 2 : 1)] ?? 0);
    if (left.length > 3) attention += operations;
    else others += operations;
  }
  return { attention, others };
}

async function measureSize(size: Size, rounds: number): Promise<Figure[]> {
  const children = {
    full: startProcess(configurationOf(size, 'full')),
    paper: startProcess(configurationOf(size, 'paper')),
    cheap: startProcess(configurationOf(size, 'paper'), { recompute: 'cheap' }),
    layers: startProcess(configurationOf(size, 'paper'), { recompute: 'layers' }),
  };
  const [whole, cut] = [productsOf(configurationOf(size, 'full')), productsOf(configurationOf(size, 'paper'))];
  const operations = whole.attention + whole.others;
  const names = Object.keys(children) as (keyof typeof children)[];
  const latest = new Map<keyof typeof children, StepAnswer>();
  try {
    const contestant = (name: keyof typeof children) => async (): Promise<number> => {
      const answer = await stepIn(children[name]);
      latest.set(name, answer);
      return answer.seconds;
    };
    const seconds = await interleave({ full: contestant('full'), paper: contestant('paper'), cheap: contestant('cheap'), layers: contestant('layers') }, rounds, 2);
    const mebibytes = (name: keyof typeof children): number => (latest.get(name)?.peak ?? Number.NaN) / 2 ** 20;
    const own = (name: keyof typeof children): number => mebibytes(name) - (latest.get(name)?.before ?? Number.NaN) / 2 ** 20;
    const milliseconds = (name: keyof typeof children): number[] => seconds[name].map((taken) => 1000 * taken);
    const at = `width ${size.width}, ${size.heads} heads:`;
    return [
      cost(`${at} time, paper / full`, '%', shares(seconds.paper, seconds.full), 50),
      cost(`${at} time, paper with cheap values recomputed / full`, '%', shares(seconds.cheap, seconds.full), 50),
      cost(`${at} time, paper with layers recomputed / full`, '%', shares(seconds.layers, seconds.full)),
      // What no pattern makes quicker, and what is left with the paper's: a bound at equal speed of all products.
      cost(`${at} operations of products outside attention / all of full`, '%', [(100 * whole.others) / operations]),
      cost(`${at} operations of products, paper / full`, '%', [(100 * (cut.attention + cut.others)) / operations]),
      ...names.map((name) => cost(`${at} time, ${name}`, 'ms', milliseconds(name))),
      // One peak a process, not one a round.
      cost(`${at} peak memory, paper / full`, '%', shares([mebibytes('paper')], [mebibytes('full')]), 50),
      cost(`${at} the same above the idle process`, '%', shares([own('paper')], [own('full')])),
      cost(`${at} peak memory, paper with cheap values recomputed / full`, '%', shares([mebibytes('cheap')], [mebibytes('full')]), 50),
      cost(`${at} peak memory, paper with layers recomputed / full`, '%', shares([mebibytes('layers')], [mebibytes('full')])),
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
    for (const size of sizes) figures.push(...(await measureSize(size, rounds)));
    return {
      setting: `forward, gradients and AdamW; ${layers} layers in the paper's order, text 256, image 32×32, vocabularies 2048, batch ${batch}; each side in a process of its own`,
      figures,
    };
  },
};
