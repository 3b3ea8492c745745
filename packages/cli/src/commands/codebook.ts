import type { ImageTokenizer } from '@tesserae/core';
import { type OpenedModel, openModelFolder } from '@tesserae/core/node';
import { codebookUsage } from '@tesserae/dvae';
import { openBackend } from '../backends.js';
import { codebookPictures, codebookSheet, sheetColumns } from '../codebook/codebook-pictures.js';
import { byUse, type CodeCount, type CountedData, countCodesOf } from '../codebook/count-codes.js';
import { type Command, type CommandContext, engineOptions, modelFolder, modelOption, numberOption, sizeOption, textOption, UsageError } from '../command.js';
import { loadImageTokenizer } from '../model.js';
import { writePng } from '../pictures.js';
import { pictureLines } from '../terminal/picture.js';

/** A code of the written picture is enlarged by whole pixels to about this many. */
const writtenCode = 16;
/** Characters a line in the terminal, two pixels each. */
const terminalColumns = 64;

/** What training noted about the codebook, of the pictures it held back. */
async function notedUsage(model: OpenedModel): Promise<{ readonly used: number; readonly perplexity: number } | undefined> {
  if (model.index.parts.imageTokenizer?.sha256['training.json'] === undefined) return undefined;
  const { usedCodes, perplexity } = (await model.readJson('imageTokenizer', 'training.json')) as { readonly usedCodes?: unknown; readonly perplexity?: unknown };
  return typeof usedCodes === 'number' && typeof perplexity === 'number' ? { used: usedCodes, perplexity } : undefined;
}

function list(codes: readonly CodeCount[], total: number): string {
  return codes.map(({ code, count }) => `${code} (${((100 * count) / total).toPrecision(2)} %)`).join(', ');
}

async function usageOf(context: CommandContext, model: OpenedModel, tokenizer: ImageTokenizer): Promise<Readonly<Record<string, unknown>>> {
  const { options, output, signal } = context;
  const { codebookSize, downsampling, grid } = tokenizer;
  const data = textOption(options, 'data');
  if (data === undefined) {
    const noted = await notedUsage(model);
    const figures = noted === undefined ? '' : `; of the pictures that training held back: ${noted.used} used, perplexity ${noted.perplexity.toFixed(1)}`;
    output.print(`${codebookSize} codes of ${downsampling}×${downsampling} pixels${figures}`);
    output.note('give --data ./pictures to count the codes of pictures');
    return { ...(noted === undefined ? {} : { heldBack: noted }) };
  }
  const size = sizeOption(options, 'size', downsampling) ?? { width: grid.columns * downsampling, height: grid.rows * downsampling };
  const counted: CountedData = await countCodesOf(data, { model, tokenizer, size, output, signal });
  for (const { file, reason } of counted.skipped.slice(0, 5)) output.note(`skipped ${file}: ${reason}`);
  const { used, perplexity } = codebookUsage(counted.counts);
  const top = numberOption(options, 'top', { minimum: 1, integer: true }) ?? 8;
  const ordered = byUse(counted.counts);
  const total = ordered.reduce((sum, { count }) => sum + count, 0);
  const occurring = ordered.filter(({ count }) => count > 0);
  const [mostUsed, leastUsed] = [occurring.slice(0, top), occurring.slice(-top).reverse()];
  output.print(`${codebookSize} codes of ${downsampling}×${downsampling} pixels; in ${counted.pictures} pictures: ${used} used, perplexity ${perplexity.toFixed(1)}`);
  output.print(`most used:  ${list(mostUsed, total)}`);
  output.print(`least used: ${list(leastUsed, total)}`);
  const unused = ordered.filter(({ count }) => count === 0).map(({ code }) => code);
  if (unused.length > 0) output.print(`never used: ${unused.slice(0, top).join(', ')}${unused.length > top ? `, … (${unused.length})` : ''}`);
  return { pictures: counted.pictures, skipped: counted.skipped, used, perplexity, mostUsed, leastUsed, counts: Array.from(counted.counts) };
}

export const codebookCommand: Command = {
  name: 'codebook',
  summary: 'Shows the codes of an image tokenizer, each decoded alone, and how pictures use them.',
  usage: 'codebook ./my-model [--data ./my-pictures] [--out codebook.png]',
  options: {
    ...modelOption,
    data: { type: 'string', short: 'd', value: 'DIR', help: 'pictures whose codes are counted, or the file that tesserae tokenize made of them' },
    size: { type: 'string', value: 'WxH', help: 'pixels that they are resized and cropped to (default: the training size, a square)' },
    top: { type: 'string', value: 'N', help: 'how many of the most and least used codes to name (default 8)' },
    out: { type: 'string', short: 'o', value: 'FILE', help: 'PNG of the codebook to write: code 0 at the top left, row after row' },
    ...engineOptions,
  },
  async run(context) {
    const { positionals, options, output, signal } = context;
    const [folder, ...more] = positionals;
    if (more.length > 0) throw new UsageError(`One model at a time: what is ${more.join(' ')}?`);
    if (folder !== undefined && textOption(options, 'model') !== undefined) throw new UsageError(`Name the model once: ${folder} or --model ${textOption(options, 'model')}.`);
    const out = textOption(options, 'out');
    const backend = await openBackend(context);
    try {
      const model = await openModelFolder(folder ?? modelFolder(context));
      const tokenizer = await loadImageTokenizer(model, { backend, maximumBatch: 32 });
      try {
        const { codebookSize, downsampling } = tokenizer;
        const usage = await usageOf(context, model, tokenizer);
        const columns = sheetColumns(codebookSize);
        if (out !== undefined || output.picturesInTerminal) {
          const sheet = codebookSheet(await codebookPictures(tokenizer, { output, signal }));
          if (output.picturesInTerminal) for (const line of pictureLines(sheet, Math.min(terminalColumns, sheet.width))) output.print(line);
          if (out !== undefined) {
            await writePng(out, sheet, Math.max(1, Math.floor(writtenCode / downsampling)));
            output.print(`${out}  ${columns} codes a row`);
          }
        }
        return { codebookSize, downsampling, ...usage, ...(out === undefined ? {} : { file: out, columns }) };
      } finally {
        tokenizer.dispose();
      }
    } finally {
      await backend.dispose();
    }
  },
};
