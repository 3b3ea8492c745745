import { splits } from '@tesserae/datasets';
import { writeScenes } from '@tesserae/datasets/node';
import { type Command, numberOption, textOption, UsageError } from '../command.js';

export const dataScenesCommand: Command = {
  name: 'data scenes',
  summary: 'Writes a folder of drawn scenes with captions: a data set to try everything on.',
  usage: 'data scenes ./scenes --count 20000 [--split train] [--seed 0]',
  options: {
    count: { type: 'string', short: 'n', value: 'N', help: 'pictures (default 1000)' },
    split: { type: 'string', value: 'NAME', help: `${splits.join(', ')} (default train)` },
    seed: { type: 'string', value: 'N', help: 'same seed, same scenes (default 0)' },
  },
  async run({ positionals, options, output, signal }) {
    const [folder] = positionals;
    if (folder === undefined) throw new UsageError('Name the folder to write.');
    const wanted = textOption(options, 'split') ?? 'train';
    const split = splits.find((name) => name === wanted);
    if (split === undefined) throw new UsageError(`--split ${wanted}: use ${splits.join(', ')}.`);
    const count = numberOption(options, 'count', { minimum: 1, integer: true }) ?? 1000;
    const seed = numberOption(options, 'seed', { minimum: 0, integer: true }) ?? 0;
    const bar = output.progress('drawing', count, 'pictures');
    try {
      const { kept } = await writeScenes(folder, { split, count, seed, signal, onProgress: ({ done }) => bar.update(done) });
      bar.end();
      output.print(`${folder}: ${count} ${split} scenes of seed ${seed} (${count - kept} new, ${kept} kept)`);
      return { folder, split, count, seed, kept };
    } finally {
      bar.end();
    }
  },
};
