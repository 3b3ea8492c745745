import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, open, rm, stat, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sizeOf, TesseraeError } from '@tesserae/core';
import { imageTokenizerParameters, type StridedDvaeConfiguration } from '@tesserae/dvae';
import { type Benchmark, figure, rates, shares } from './benchmark.js';
import { writeLargeCheckpoint } from './large-checkpoint.js';
import { interleave, timed } from './measure.js';

/** 2.1 GB in float32. */
const configuration: StridedDvaeConfiguration = {
  kind: 'strided-dvae',
  imageSize: 256,
  channels: 3,
  codebookSize: 8192,
  codeWidth: 512,
  layers: 3,
  residualBlocks: 11,
  hidden: 1024,
};

/** Checkpoint, copy and model, and something to spare. */
const copiesOnDisk = 3.2;
const megabyte = 1 << 20;

/** The command as it is installed, after `npm run build`; else from its sources, which node then translates first. */
const built = fileURLToPath(new URL('../packages/cli/dist/bin.js', import.meta.url));
const source = fileURLToPath(new URL('../packages/cli/src/bin.ts', import.meta.url));
const isBuilt = existsSync(built);
const program = isBuilt ? [built] : ['--conditions=tesserae-source', '--import', 'tsx', source];

/** As `cp` does, and on the disk when it ends. */
async function copyFlushed(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  const handle = await open(to, 'r+');
  await handle.sync();
  await handle.close();
}

interface Cost {
  /** Seconds of the processor, of all threads. */
  readonly processor: number;
  /** Largest resident memory, in MB. */
  readonly peak: number;
}

/** Written by the process itself as it ends. */
const reportsCost =
  "data:text/javascript,process.on('exit',()=>{const u=process.resourceUsage();process.stderr.write('peak '+u.maxRSS+' cpu '+(u.userCPUTime+u.systemCPUTime)+'\\n')})";

function convert(from: string, out: string): Promise<Cost> {
  const child = spawn(process.execPath, ['--import', reportsCost, ...program, 'convert', from, '--out', out], { stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  child.stderr.on('data', (piece: Buffer) => {
    text += piece.toString();
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      const [, peak, processor] = /peak (\d+) cpu (\d+)/.exec(text) ?? [];
      if (code === 0) resolve({ peak: (Number(peak) * 1024) / megabyte, processor: Number(processor) / 1e6 });
      else reject(new Error(text));
    });
  });
}

export const convertCheckpoint: Benchmark = {
  name: 'convert',
  summary: 'tesserae convert of a checkpoint of 2.1 GB, a process of its own, against copying the file; both to the disk',
  rounds: 3,
  async run({ rounds }) {
    const bytes = 4 * Array.from(imageTokenizerParameters(configuration).values()).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    const { bavail, bsize } = await statfs(tmpdir());
    if (bavail * bsize < copiesOnDisk * bytes) {
      throw new TesseraeError('invalid-argument', `${tmpdir()} has ${((bavail * bsize) / 1e9).toFixed(1)} GB free; ${((copiesOnDisk * bytes) / 1e9).toFixed(1)} are needed.`, {
        remedy: 'Name another folder in TMPDIR.',
      });
    }
    const folder = await mkdtemp(join(tmpdir(), 'tesserae-bench-'));
    const [checkpoint, copy, model] = [join(folder, 'vae.pt'), join(folder, 'copy.pt'), join(folder, 'model')];
    try {
      await writeLargeCheckpoint(checkpoint, configuration);
      const costs: Cost[] = [];
      const removing = async (path: string, work: () => Promise<unknown>): Promise<number> => {
        const taken = await timed(work);
        await rm(path, { recursive: true });
        return taken;
      };
      const seconds = await interleave(
        {
          copy: () => removing(copy, () => copyFlushed(checkpoint, copy)),
          convert: () => removing(model, async () => void costs.push(await convert(checkpoint, model))),
        },
        rounds,
      );
      const measured = costs.slice(-rounds);
      const gigabytes = (await stat(checkpoint)).size / 1e9;
      return {
        setting: `DiscreteVAE of ${gigabytes.toFixed(2)} GB as torch.save writes it, in ${tmpdir()}; the command ${isBuilt ? 'as built' : 'from its sources'}, its start included`,
        figures: [
          figure('of the speed of copying', '%', shares(seconds.copy, seconds.convert), 50),
          figure('convert', 'GB/s', rates(gigabytes, seconds.convert)),
          figure('copy', 'GB/s', rates(gigabytes, seconds.copy)),
          figure(
            'processor',
            's',
            measured.map(({ processor }) => processor),
          ),
          figure(
            'peak of memory',
            'MB',
            measured.map(({ peak }) => peak),
          ),
        ],
      };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};
