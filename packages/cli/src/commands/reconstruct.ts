import { basename, extname, join } from 'node:path';
import { openModelFolder } from '@tesserae/core/node';
import { openBackend } from '../backends.js';
import { type Command, engineOptions, modelFolder, modelOption, sizeOption, textOption, UsageError } from '../command.js';
import { reconstructPictures } from '../evaluation/reconstruct-pictures.js';
import { loadImageTokenizer } from '../model.js';
import { contactSheet, cropToCodes, readPicture, writePng } from '../pictures.js';

/** Small pictures are enlarged by whole pixels to about this many when written. */
const writtenSize = 256;

export const reconstructCommand: Command = {
  name: 'reconstruct',
  summary: 'Sends pictures through the image tokenizer and back: originals above, what their codes hold below.',
  usage: 'reconstruct picture.png … --model ./my-model [--out DIR]',
  options: {
    ...modelOption,
    out: { type: 'string', short: 'o', value: 'DIR', help: 'where the PNG goes (default: .)' },
    size: { type: 'string', value: 'WxH', help: 'resize and crop pictures to it, e.g. 512x320 (default: as they are, edges cropped to whole codes)' },
    ...engineOptions,
  },
  async run(context) {
    const { positionals, options, output, signal } = context;
    const [first] = positionals;
    if (first === undefined) throw new UsageError('Name at least one picture.');
    const backend = await openBackend(context);
    try {
      const tokenizer = await loadImageTokenizer(await openModelFolder(modelFolder(context)), { backend });
      try {
        const { downsampling } = tokenizer;
        const size = sizeOption(options, 'size', downsampling);
        const originals = [];
        for (const path of positionals) originals.push(cropToCodes(await readPicture(path, size), downsampling, path));
        const bar = output.progress('reconstructing', originals.length, 'pictures');
        const made = await reconstructPictures(tokenizer, originals, { signal, onProgress: (done) => bar.update(done) }).finally(() => bar.end());
        const file = join(textOption(options, 'out') ?? '.', `reconstruction-${basename(first, extname(first))}.png`);
        const largest = Math.max(...originals.map(({ width }) => width));
        await writePng(file, contactSheet([originals, made.map(({ again }) => again)]), Math.max(1, Math.floor(writtenSize / largest)));
        positionals.forEach((path, index) => {
          const { original, codes, psnr } = made[index] ?? {};
          output.print(`${path}  ${original?.width}×${original?.height}, PSNR ${(psnr ?? Number.NaN).toFixed(2)} dB, ${new Set(codes).size} different codes`);
        });
        output.print(file);
        return {
          file,
          pictures: made.map(({ original: { width, height }, psnr, codes }, index) => ({ path: positionals[index], width, height, psnr, codes: Array.from(codes) })),
        };
      } finally {
        tokenizer.dispose();
      }
    } finally {
      await backend.dispose();
    }
  },
};
