import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sizeOf, TesseraeError } from '@tesserae/core';
import { openModelFolder, readSafetensorsHeader } from '@tesserae/core/node';
import { type Command, flag, UsageError } from '../command.js';

interface Described {
  readonly path: string;
  readonly tensors: number;
  readonly parameters: number;
  readonly bytes: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly list: readonly { readonly name: string; readonly dtype: string; readonly shape: readonly number[] }[];
}

async function describe(path: string): Promise<Described> {
  const header = await readSafetensorsHeader(path);
  const entries = [...header.entries.values()];
  return {
    path,
    tensors: entries.length,
    parameters: entries.reduce((sum, entry) => sum + sizeOf(entry.shape), 0),
    bytes: (await stat(path)).size,
    metadata: header.metadata,
    list: entries.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
  };
}

export const inspectCommand: Command = {
  name: 'inspect',
  summary: 'Tells what is in a model folder or a safetensors file, reading headers only.',
  usage: 'inspect <model folder | file.safetensors> [--tensors]',
  options: { tensors: { type: 'boolean', help: 'list every tensor' } },
  async run({ positionals, options, output }) {
    const [path] = positionals;
    if (path === undefined) throw new UsageError('Name a model folder or a safetensors file.');
    const found = await stat(path).catch((cause: unknown) => {
      throw new TesseraeError('file-missing', `${path} does not exist.`, { remedy: 'Check the path.', cause });
    });
    const files: { part: string; described: Described; config?: unknown }[] = [];
    if (found.isDirectory()) {
      const model = await openModelFolder(path, { verify: false });
      for (const [part, { folder, sha256 }] of Object.entries(model.index.parts)) {
        if (sha256['model.safetensors'] === undefined) continue;
        files.push({ part, described: await describe(join(path, folder, 'model.safetensors')), config: await model.readJson(part, 'config.json') });
      }
    } else {
      files.push({ part: '', described: await describe(path) });
    }
    for (const { part, described, config } of files) {
      output.print(`${part === '' ? '' : `${part}: `}${described.path}`);
      output.print(`  ${described.parameters.toLocaleString('en')} numbers in ${described.tensors} tensors, ${(described.bytes / 1e6).toFixed(1)} MB`);
      if (config !== undefined) output.print(`  ${JSON.stringify(config)}`);
      for (const [key, value] of Object.entries(described.metadata)) output.print(`  ${key}: ${value}`);
      if (flag(options, 'tensors')) for (const { name, dtype, shape } of described.list) output.print(`  ${name}  ${dtype} [${shape.join(', ')}]`);
    }
    return { files };
  },
};
