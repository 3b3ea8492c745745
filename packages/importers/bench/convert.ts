// What converting a large checkpoint costs: peak resident memory, and the time against that of copying the file.
//   node --conditions=tesserae-source --import tsx packages/importers/bench/convert.ts [gigabytes] [folder]
// Makes a DiscreteVAE of DALLE-pytorch as torch.save writes it, converts it by the public command in a process of its own,
// and removes everything again. On a quiet machine.
import { spawn } from 'node:child_process';
import { copyFile, mkdtemp, open, rm, stat, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import { sizeOf } from '@tesserae/core';
import { imageTokenizerParameters, type StridedDvaeConfiguration } from '@tesserae/dvae';
import { ascii, joinBytes, write, writeTensor, writeZip } from '../src/__fixtures__/writers.js';
import { dallePytorchVaeNames } from '../src/families/dalle-pytorch-vae.js';

const [gigabytes = 2, parent = tmpdir()] = [Number(process.argv[2] ?? 2), process.argv[3]];
const cli = fileURLToPath(new URL('../../cli/src/bin.ts', import.meta.url));

const withBlocks = (residualBlocks: number): StridedDvaeConfiguration => ({
  kind: 'strided-dvae',
  imageSize: 256,
  channels: 3,
  codebookSize: 8192,
  codeWidth: 512,
  layers: 3,
  residualBlocks,
  hidden: 1024,
});
const bytesOf = (configuration: StridedDvaeConfiguration): number =>
  4 * Array.from(imageTokenizerParameters(configuration).values()).reduce((sum, { shape }) => sum + sizeOf(shape), 0);

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

async function writeCheckpoint(path: string, configuration: StridedDvaeConfiguration): Promise<void> {
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
  // One tensor's worth of numbers, for all of them: the disk does not know.
  const noise = Float32Array.from({ length: Math.max(...tensors.map(({ elements }) => elements)) }, (_, index) => Math.sin(index));
  await add('archive/data.pkl', pickle);
  for (const { key, elements } of tensors) await add(`archive/data/${key}`, new Uint8Array(noise.slice(0, elements).buffer));
  await append(directoryOf(entries, at));
  await handle.sync();
  await handle.close();
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

async function copyFlushed(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  const handle = await open(to, 'r+');
  await handle.sync();
  await handle.close();
}

/** Runs the command; gives its peak resident memory in MB, and the processor's seconds it took. */
function convert(from: string, out: string): Promise<{ readonly peak: number; readonly processor: number }> {
  const report =
    "data:text/javascript,process.on('exit',()=>{const u=process.resourceUsage();process.stderr.write('peak '+u.maxRSS+' cpu '+(u.userCPUTime+u.systemCPUTime)+'\\n')})";
  const child = spawn(process.execPath, ['--conditions=tesserae-source', '--import', 'tsx', '--import', report, cli, 'convert', from, '--out', out], {
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  let text = '';
  child.stderr.on('data', (piece: Buffer) => {
    text += piece.toString();
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      const [, peak, processor] = /peak (\d+) cpu (\d+)/.exec(text) ?? [];
      if (code === 0) resolve({ peak: Number(peak) / 1024, processor: Number(processor) / 1e6 });
      else reject(new Error(text));
    });
  });
}

let blocks = 1;
while (bytesOf(withBlocks(blocks)) < gigabytes * 1e9) blocks += 1;
const configuration = withBlocks(blocks);
const needed = 3.2 * bytesOf(configuration);
const { bavail, bsize } = await statfs(parent);
if (bavail * bsize < needed) throw new Error(`${parent} has ${(bavail * bsize) / 1e9} GB free; ${needed / 1e9} are needed.`);
if (bytesOf(configuration) > 4e9) throw new Error('This script writes no ZIP64: at most 4 GB.');
const folder = await mkdtemp(join(parent, 'tesserae-convert-'));
try {
  const source = join(folder, 'vae.pt');
  await writeCheckpoint(source, configuration);
  const { size } = await stat(source);
  // Copies before and after: the machine may be busier at one end than at the other.
  const before = await timed(() => copyFlushed(source, join(folder, 'copy')));
  await rm(join(folder, 'copy'));
  let cost = { peak: 0, processor: 0 };
  const seconds = await timed(async () => {
    cost = await convert(source, join(folder, 'model'));
  });
  await rm(join(folder, 'model'), { recursive: true });
  const after = await timed(() => copyFlushed(source, join(folder, 'copy')));
  const copy = (before + after) / 2;
  process.stdout.write(
    `${(size / 1e9).toFixed(2)} GB: copying ${before.toFixed(1)} and ${after.toFixed(1)} s, converting ${seconds.toFixed(1)} s, ${cost.processor.toFixed(1)} s of the processor (start of the program and both hashes included), ` +
      `${((100 * copy) / seconds).toFixed(0)} % of the speed of copying; peak ${cost.peak.toFixed(0)} MB resident\n`,
  );
} finally {
  await rm(folder, { recursive: true, force: true });
}
