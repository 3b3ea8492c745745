import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initialiseParameters, keyFromSeed, sizeOf } from '@tesserae/core';
import { writeSafetensorsFile } from '@tesserae/core/node';
import { priorParameters } from '@tesserae/transformer';
import { type Benchmark, cost } from './benchmark.js';
import { paperPrior } from './decode.js';
import type { OpenAnswer, OpenSetting } from './open-process.js';

/** Not read on the way to the first token: what predicts text, and of the tables all rows but a few. */
const isTouched = (name: string): boolean => name.startsWith('blocks.') || name.startsWith('norm.') || name.startsWith('head.image.');

async function openOnce(setting: OpenSetting): Promise<OpenAnswer> {
  const child = fork(fileURLToPath(new URL('./open-process.ts', import.meta.url)), [JSON.stringify(setting)]);
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`The process that opens a model ended without an answer (${code}).`);
  });
  ended.catch(() => undefined);
  const [answer] = await Promise.race([once(child, 'message') as Promise<[OpenAnswer]>, ended]);
  await once(child, 'exit').catch(() => undefined);
  return answer;
}

export const openModel: Benchmark = {
  name: 'open-model',
  summary: 'from the file of a prior of 500 MB to the first image token, its weights mapped, and the memory until the model has read that token',
  rounds: 5,
  async run({ rounds }) {
    const folder = await mkdtemp(join(tmpdir(), 'tesserae-bench-'));
    const weights = join(folder, 'prior.safetensors');
    try {
      const parameters = Array.from(priorParameters(paperPrior).values());
      await writeSafetensorsFile(weights, initialiseParameters(parameters, keyFromSeed(1)));
      const bytes = (which: (name: string) => boolean): number => 4 * parameters.reduce((sum, { name, shape }) => sum + (which(name) ? sizeOf(shape) : 0), 0);
      const touched = bytes(isTouched);
      const setting = { configuration: paperPrior, weights };
      // The file's pages are in memory from then on, as those of a model in use are.
      await openOnce(setting);
      const answers: OpenAnswer[] = [];
      for (let round = 0; round < rounds; round += 1) answers.push(await openOnce(setting));
      return {
        setting: `width 1024, 8 layers, text 256, image 32×32, vocabularies 8192, the paper's attention; a file of ${(bytes(() => true) / 1e6).toFixed(0)} MB of which a token reads ${(touched / 1e6).toFixed(0)}; a process of its own each time`,
        figures: [
          cost(
            'to the first token',
            'ms',
            answers.map(({ drawn }) => 1000 * drawn),
            1000,
          ),
          cost(
            'until the model has read it too',
            'ms',
            answers.map(({ read }) => 1000 * read),
          ),
          cost(
            'memory gained / bytes touched',
            '%',
            answers.map(({ gained }) => (100 * gained) / touched),
            130,
          ),
        ],
      };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};
