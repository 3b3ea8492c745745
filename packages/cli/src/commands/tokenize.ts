import { openModelFolder } from '@tesserae/core/node';
import { openFolder } from '@tesserae/datasets/node';
import { openBackend } from '../backends.js';
import { type Command, engineOptions, modelFolder, modelOption, sizeOption, textOption, UsageError } from '../command.js';
import { loadImageTokenizer } from '../model.js';
import { encoderHash, tokenizeFolder } from '../training/coded-pictures.js';

export const tokenizeCommand: Command = {
  name: 'tokenize',
  summary: 'Encodes a folder of pictures once, so that priors can be trained on the codes.',
  usage: 'tokenize ./my-pictures --model ./my-model --out codes.safetensors',
  options: {
    ...modelOption,
    out: { type: 'string', short: 'o', value: 'FILE', help: 'safetensors file to write (required); an interrupted run goes on' },
    size: { type: 'string', value: 'WxH', help: 'pixels that pictures are resized and cropped to, e.g. 96x64 (default: the training size, a square)' },
    ...engineOptions,
  },
  async run(context) {
    const { positionals, options, output, signal } = context;
    const [folder] = positionals;
    const out = textOption(options, 'out');
    if (folder === undefined) throw new UsageError('Name the folder with the pictures.');
    if (out === undefined) throw new UsageError('Say where the codes go: --out codes.safetensors.');
    const backend = await openBackend(context);
    try {
      const model = await openModelFolder(modelFolder(context));
      const tokenizer = await loadImageTokenizer(model, { backend, maximumBatch: 32 });
      try {
        const { grid, downsampling } = tokenizer;
        const size = sizeOption(options, 'size', downsampling) ?? { width: grid.columns * downsampling, height: grid.rows * downsampling };
        const [rows, columns] = [size.height / downsampling, size.width / downsampling];
        const { pictures, kept, skipped } = await tokenizeFolder({
          folder: await openFolder(folder, { signal }),
          tokenizer,
          encoder: await encoderHash(model),
          size,
          out,
          output,
          signal,
        });
        for (const { file, reason } of skipped.slice(0, 5)) output.note(`skipped ${file}: ${reason}`);
        output.print(
          `${out}: ${pictures} pictures of ${rows}×${columns} codes${kept === 0 ? '' : `, ${kept} of them from an earlier run`}${skipped.length === 0 ? '' : `, ${skipped.length} skipped`}`,
        );
        return { file: out, pictures, kept, skipped, rows, columns, codebookSize: tokenizer.codebookSize };
      } finally {
        tokenizer.dispose();
      }
    } finally {
      await backend.dispose();
    }
  },
};
