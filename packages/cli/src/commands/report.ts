import { join } from 'node:path';
import type { Picture } from '@tesserae/core';
import { openModelFolder } from '@tesserae/core/node';
import { loadImages, openFolder } from '@tesserae/datasets/node';
import { parseImageTokenizerConfiguration } from '@tesserae/dvae';
import { openBackend } from '../backends.js';
import { type Command, engineOptions, modelFolder, modelOption, textOption, UsageError } from '../command.js';
import { measuredPictures, writeReport } from '../report/write-report.js';

export const reportCommand: Command = {
  name: 'report',
  summary: 'Writes one HTML page about an image tokenizer: reconstructions, codebook, its use, curves, recipe.',
  usage: 'report ./my-model --data ./my-pictures [--out report.html]',
  options: {
    ...modelOption,
    data: { type: 'string', short: 'd', value: 'DIR', help: `pictures to show and to measure on, the first ${measuredPictures} (default: none, then without reconstructions)` },
    out: { type: 'string', short: 'o', value: 'FILE', help: "page to write (default: training/report.html in the model's folder, where training puts it)" },
    ...engineOptions,
  },
  async run(context) {
    const { positionals, options, output, signal } = context;
    const [named, ...more] = positionals;
    if (more.length > 0) throw new UsageError(`One model at a time: what is ${more.join(' ')}?`);
    const folder = named ?? modelFolder(context);
    const data = textOption(options, 'data');
    const backend = await openBackend(context);
    try {
      const { imageSize } = parseImageTokenizerConfiguration(await (await openModelFolder(folder)).readJson('imageTokenizer', 'config.json'));
      const pictures: { name: string; picture: Picture }[] = [];
      if (data !== undefined) {
        const listing = await openFolder(data, { signal });
        const loaded = await loadImages({ ...listing, examples: listing.examples.slice(0, measuredPictures) }, { size: imageSize, signal });
        for (const { file, reason } of loaded.skipped.slice(0, 5)) output.note(`skipped ${file}: ${reason}`);
        loaded.examples.forEach(({ file }, index) => {
          pictures.push({ name: file, picture: { width: imageSize, height: imageSize, data: loaded.pixels[index] ?? new Uint8Array() } });
        });
      }
      const file = textOption(options, 'out') ?? join(folder, 'training', 'report.html');
      const { bytes } = await writeReport({ modelFolder: folder, pictures, file, backend, output, signal });
      output.print(`${file}  ${(bytes / 1e6).toFixed(2)} MB`);
      return { file, bytes, pictures: pictures.length };
    } finally {
      await backend.dispose();
    }
  },
};
