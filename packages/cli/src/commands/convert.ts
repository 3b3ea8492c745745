import { convertCheckpoint } from '@tesserae/importers/node';
import { type Command, flag, textOption, UsageError } from '../command.js';
import { megabytes } from '../terminal/output.js';

/** `imageSize=32,normGroups=8` → its fields; values are JSON where they can be, else text. */
function parseSettings(text: string): Record<string, unknown> {
  // Commas inside brackets belong to lists and tables.
  const entries = text.split(/,(?![^[]*\])(?![^{]*\})/).map((entry) => {
    const [, field, value] = /^\s*([\w.]+)\s*=(.*)$/.exec(entry) ?? [];
    if (field === undefined || value === undefined) throw new UsageError(`--set ${text}: give FIELD=VALUE, several with commas.`);
    try {
      return [field, JSON.parse(value) as unknown] as const;
    } catch {
      return [field, value.trim()] as const;
    }
  });
  return Object.fromEntries(entries);
}

export const convertCommand: Command = {
  name: 'convert',
  summary: "Turns another system's checkpoint into a model folder; runs nothing that it finds inside.",
  usage: 'convert <file … | folder> --out ./my-model [--text-tokenizer tokenizer.json] [--image-tokenizer ./vae]',
  options: {
    out: { type: 'string', short: 'o', value: 'DIR', help: 'model folder to write' },
    as: { type: 'string', value: 'NAME', help: 'kind of checkpoint, instead of recognising it by its tensors' },
    dtype: { type: 'string', value: 'TYPE', help: 'float32 or float16 (default: float16 stays, everything else becomes float32)' },
    set: { type: 'string', value: 'F=V,…', help: 'what no file says of the model, such as imageSize=256' },
    'text-tokenizer': {
      type: 'string',
      value: 'PATH',
      help: "the prior's or CLIP's: tokenizer.json, vocab.json with merges.txt beside it, bpe_simple_vocab_16e6.txt.gz, or their folder (default: what lies beside)",
    },
    'image-tokenizer': { type: 'string', value: 'DIR', help: 'model folder whose image tokenizer a prior without one makes codes for' },
    replace: { type: 'boolean', help: 'replace the model folder that is there' },
  },
  async run({ positionals, options, output, signal }) {
    if (positionals.length === 0) throw new UsageError('Name a checkpoint: a file, several files of one model, or a folder.');
    const out = textOption(options, 'out') ?? '';
    if (out === '') throw new UsageError('Say where the model goes: --out DIR.');
    const dtype = textOption(options, 'dtype');
    if (dtype !== undefined && dtype !== 'float32' && dtype !== 'float16') throw new UsageError(`--dtype ${dtype}: use float32 or float16.`);
    const set = textOption(options, 'set');
    let bar: ReturnType<typeof output.progress> | undefined;
    const report = await convertCheckpoint(positionals, {
      out,
      family: textOption(options, 'as'),
      ...(set === undefined ? {} : { settings: parseSettings(set) }),
      floats: dtype,
      textTokenizer: textOption(options, 'text-tokenizer'),
      imageTokenizer: textOption(options, 'image-tokenizer'),
      replace: flag(options, 'replace'),
      signal,
      onProgress({ done, total, tensor }) {
        bar ??= output.progress('converting', Math.ceil(total / 1e6), 'MB');
        bar.update(Math.ceil(done / 1e6), tensor);
      },
    }).finally(() => bar?.end());
    for (const part of report.parts) {
      output.print(`${part.part}: ${part.configuration.kind}, read as ${part.family}`);
      output.print(`  ${part.parameters.toLocaleString('en')} parameters in ${part.tensorsUsed} tensors, ${part.dtype}; ${megabytes(part.sourceBytes)} → ${megabytes(part.bytes)}`);
      output.print(`  ${JSON.stringify(part.configuration)}`);
      for (const reason of new Set(part.ignored.map((ignored) => ignored.reason)))
        output.print(`  ${part.ignored.filter((ignored) => ignored.reason === reason).length} tensors ignored: ${reason}`);
      for (const sentence of part.assumed) output.print(`  ${sentence}`);
      output.print(`  sha256 ${part.sha256}`);
    }
    for (const { part, from, what } of report.taken) output.print(`${part}: ${what}, from ${from}`);
    for (const { file, bytes, sha256 } of report.sources) output.print(`from ${file}, ${megabytes(bytes)}, sha256 ${sha256}`);
    if (report.resumed > 0) output.note(`Went on behind ${megabytes(report.resumed)} that an interrupted run had converted.`);
    for (const remark of report.remarks) output.note(remark);
    output.print(report.out);
    return report;
  },
};
