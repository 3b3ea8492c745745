import { open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { sizeOf } from '@tesserae/core';
import { imageTokenizerParameters, type StridedDvaeConfiguration } from '@tesserae/dvae';
import { ascii, joinBytes, write, writeTensor, writeZip } from '../packages/importers/src/__fixtures__/writers.js';
import { dallePytorchVaeNames } from '../packages/importers/src/families/dalle-pytorch-vae.js';

/** An entry's own header: ZIP, 4.3.7, stored. */
function entryHeader(name: string, length: number, crc: number): Uint8Array {
  const header = new Uint8Array(30);
  const view = new DataView(header.buffer);
  view.setUint32(0, 0x04034b50, true);
  view.setUint16(4, 20, true);
  view.setUint32(14, crc, true);
  view.setUint32(18, length, true);
  view.setUint32(22, length, true);
  view.setUint16(26, name.length, true);
  return joinBytes([header, ascii(name)]);
}

/** The same entries without their content: only the directory of this is used. */
function directoryOf(entries: readonly { readonly name: string; readonly length: number; readonly crc: number; readonly offset: number }[], at: number): Uint8Array {
  const lines = entries.map(({ name, length, crc, offset }) => {
    const line = writeZip([{ name, content: new Uint8Array(0), crc }])
      .subarray(30 + name.length, -22)
      .slice();
    const view = new DataView(line.buffer);
    view.setUint32(20, length, true);
    view.setUint32(24, length, true);
    view.setUint32(42, offset, true);
    return line;
  });
  const directory = joinBytes(lines);
  const end = writeZip([]).slice();
  const view = new DataView(end.buffer);
  view.setUint16(8, entries.length, true);
  view.setUint16(10, entries.length, true);
  view.setUint32(12, directory.length, true);
  view.setUint32(16, at, true);
  return joinBytes([directory, end]);
}

/**
 * Writes a DiscreteVAE of DALLE-pytorch as torch.save does: `hparams` and `weights` in a ZIP archive, one stored entry a tensor. All tensors
 * are the start of the same noise.
 */
export async function writeLargeCheckpoint(path: string, configuration: StridedDvaeConfiguration): Promise<void> {
  const expected = imageTokenizerParameters(configuration);
  const tensors = Array.from(dallePytorchVaeNames(configuration)).flatMap(({ peer, path: ours }, index) => {
    const shape = expected.get(ours)?.shape;
    return shape === undefined ? [] : [{ peer, shape, key: String(index), elements: sizeOf(shape) }];
  });
  const strides = (shape: readonly number[]): number[] => shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  const weights = Object.fromEntries(
    tensors.map(({ peer, shape, key, elements }) => [peer, writeTensor({ storage: key, type: 'Float', elements, shape, strides: strides(shape) })]),
  );
  const { imageSize, layers, codebookSize, channels, codeWidth, hidden, residualBlocks } = configuration;
  const hparams = { image_size: imageSize, num_layers: layers, num_tokens: codebookSize, channels, codebook_dim: codeWidth, hidden_dim: hidden, num_resnet_blocks: residualBlocks };
  const numbers = Object.fromEntries(Object.entries(hparams).map(([key, value]) => [key, write.int(value)]));
  const pickle = write.pickle(write.dictionary({ hparams: write.dictionary(numbers), weights: write.dictionary(weights) }));
  const handle = await open(path, 'w');
  const entries: { name: string; length: number; crc: number; offset: number }[] = [];
  let at = 0;
  const append = async (bytes: Uint8Array): Promise<void> => {
    await handle.writeFile(bytes);
    at += bytes.length;
  };
  const add = async (name: string, content: Uint8Array): Promise<void> => {
    const crc = crc32(content);
    entries.push({ name, length: content.length, crc, offset: at });
    await append(entryHeader(name, content.length, crc));
    await append(content);
  };
  const noise = Float32Array.from({ length: Math.max(...tensors.map(({ elements }) => elements)) }, (_, index) => Math.sin(index));
  await add('archive/data.pkl', pickle);
  for (const { key, elements } of tensors) await add(`archive/data/${key}`, new Uint8Array(noise.slice(0, elements).buffer));
  await append(directoryOf(entries, at));
  await handle.sync();
  await handle.close();
}
