import { join } from 'node:path';
import { leavesOf, TesseraeError } from '@tesserae/core';
import { openModelFolder, writeFileAtomically } from '@tesserae/core/node';
import { type Command, flag, modelFolder, modelOption, numberOption, textOption, UsageError } from '../command.js';
import { onnxModels } from '../exporting/onnx-models.js';
import { writePeerSafetensors } from '../exporting/peer-safetensors.js';
import { megabytes } from '../terminal/output.js';

const formats = ['onnx', 'safetensors'] as const;

export const exportCommand: Command = {
  name: 'export',
  summary: 'Writes a model for other programs: .onnx files that plain ONNX Runtime runs, or safetensors that PyTorch loads.',
  usage: 'export ./my-model --out ./exported [--format safetensors]',
  options: {
    ...modelOption,
    out: { type: 'string', short: 'o', value: 'DIR', help: 'where the files go' },
    format: { type: 'string', value: 'NAME', help: 'onnx (default) or safetensors' },
    batch: { type: 'string', value: 'N', help: 'onnx: pictures that one call works on, of one text (default 1)' },
    guided: { type: 'boolean', help: 'onnx: the prior is told two texts, whose scores are mixed by their weights' },
    half: { type: 'boolean', help: 'safetensors: weights in float16' },
  },
  async run(context) {
    const { positionals, options, output, signal } = context;
    const out = textOption(options, 'out') ?? '';
    if (out === '') throw new UsageError('Say where the files go: --out DIR.');
    const wanted = textOption(options, 'format') ?? 'onnx';
    const format = formats.find((name) => name === wanted);
    if (format === undefined) throw new UsageError(`--format ${wanted}: use ${formats.join(' or ')}.`);
    const batch = numberOption(options, 'batch', { minimum: 1, integer: true }) ?? 1;
    const folder = positionals[0] ?? modelFolder(context);
    const model = await openModelFolder(folder);
    const files: unknown[] = [];
    if (format === 'safetensors') {
      for (const written of await writePeerSafetensors(model, out, flag(options, 'half') ? 'F16' : 'F32')) {
        files.push(written);
        output.print(`${join(out, written.file)}  ${written.tensors} tensors under the names of ${written.names}`);
      }
    } else {
      for await (const { file, graph, bytes } of onnxModels(model, { batch, guided: flag(options, 'guided') })) {
        signal.throwIfAborted();
        await writeFileAtomically(join(out, file), bytes);
        const inputs = leavesOf(graph, 'input').map(({ name, shape, dtype }) => ({ name, shape, dtype }));
        files.push({ file, bytes: bytes.length, inputs, outputs: graph.outputs.map(({ name }) => name), state: leavesOf(graph, 'state').map(({ name }) => name) });
        output.print(`${join(out, file)}  ${megabytes(bytes.length)}, reads ${inputs.map(({ name, shape, dtype }) => `${name} ${dtype} [${shape.join(', ')}]`).join(', ')}`);
      }
    }
    if (files.length === 0)
      throw new TesseraeError('model-incompatible', `${folder} has neither an image tokenizer nor a prior to export.`, { remedy: 'Give another model folder.' });
    return { out, format, files };
  },
};
