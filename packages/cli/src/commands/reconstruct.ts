import { basename, extname, join } from 'node:path';
import { openModelFolder } from '@tesserae/core/node';
import { openBackend } from '../backends.js';
import { type Command, engineOptions, modelFolder, modelOption, textOption, UsageError } from '../command.js';
import { loadImageTokenizer } from '../model.js';
import { contactSheet, readPicture, writePng } from '../pictures.js';

export const reconstructCommand: Command = {
  name: 'reconstruct',
  summary: 'Sends pictures through the image tokenizer and back: originals above, what their codes hold below.',
  usage: 'reconstruct picture.png … --model ./my-model [--out DIR]',
  options: {
    ...modelOption,
    out: { type: 'string', short: 'o', value: 'DIR', help: 'where the PNG goes (default: .)' },
    ...engineOptions,
  },
  async run(context) {
    const { positionals, options, output, signal } = context;
    const [first] = positionals;
    if (first === undefined) throw new UsageError('Name at least one picture.');
    const backend = await openBackend(context);
    const model = await openModelFolder(modelFolder(context));
    const tokenizer = await loadImageTokenizer(model, { backend });
    try {
      const size = { width: tokenizer.grid.columns * tokenizer.downsampling, height: tokenizer.grid.rows * tokenizer.downsampling };
      const originals = [];
      for (const path of positionals) originals.push(await readPicture(path, size));
      const codes = await tokenizer.encode(originals, { signal });
      const again = await tokenizer.decode(codes, tokenizer.grid, { signal });
      const errors = originals.map((picture, index) => {
        const squared = picture.data.reduce((sum, value, at) => sum + ((value - (again[index]?.data[at] ?? 0)) / 255) ** 2, 0) / picture.data.length;
        return -10 * Math.log10(squared);
      });
      const file = join(textOption(options, 'out') ?? '.', `reconstruction-${basename(first, extname(first))}.png`);
      await writePng(file, contactSheet([originals, again]), 2);
      positionals.forEach((path, index) => output.print(`${path}  PSNR ${(errors[index] ?? Number.NaN).toFixed(2)} dB, ${new Set(codes[index]).size} different codes`));
      output.print(file);
      return { file, pictures: positionals.map((path, index) => ({ path, psnr: errors[index], codes: Array.from(codes[index] ?? []) })) };
    } finally {
      tokenizer.dispose();
      await backend.dispose();
    }
  },
};
