import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isTesseraeError } from '@tesserae/core';
import { describe, expect, it } from 'vitest';
import { fixturesFolder } from './__fixtures__/files.js';
import { type Checkpoint, readWeights } from './checkpoint.js';
import { openCheckpointFile } from './node/index.js';

interface Hostile {
  readonly file: string;
  readonly expect: 'refuse' | 'accept' | 'accept-or-refuse' | 'refuse-or-limit' | 'refuse-or-flag';
  readonly why: string;
  readonly error_should_name: readonly string[];
  readonly canary: string | null;
  readonly value?: Readonly<Record<string, unknown>>;
  /** Set where the reading is fine and only a model's importer can see what is wrong. */
  readonly importer?: string;
}

const folder = join(fixturesFolder, 'malicious');
const { files } = JSON.parse(readFileSync(join(folder, 'meta.json'), 'utf8')) as { readonly files: readonly Hostile[] };

function nested(data: ArrayLike<number>, shape: readonly number[]): unknown {
  const [extent = 1, ...inner] = shape;
  if (shape.length === 0) return data[0];
  const step = data.length / extent;
  return Array.from({ length: extent }, (_, index) => nested(Array.from(data).slice(index * step, (index + 1) * step), inner));
}

async function readAll(file: string): Promise<{ checkpoint: Checkpoint; values: Record<string, unknown> }> {
  const checkpoint = await openCheckpointFile(join(folder, file));
  const values: Record<string, unknown> = {};
  for (const tensor of checkpoint.tensors) {
    const array = await readWeights(tensor);
    if (array.data.length < 1000) values[tensor.name] = nested(array.data, array.shape);
  }
  return { checkpoint, values };
}

/** What the file did: its tensors, or the error. */
async function open(file: string): Promise<{ values?: Record<string, unknown>; error?: unknown; milliseconds: number; bytes: number }> {
  const memory = () => {
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const before = memory();
  let peak = before;
  // The readers yield at every read of the file; a peak between two of them shows at the next.
  const timer = setInterval(() => {
    peak = Math.max(peak, memory());
  }, 1);
  const start = performance.now();
  try {
    const { values } = await readAll(file);
    return { values, milliseconds: performance.now() - start, bytes: Math.max(peak, memory()) - before };
  } catch (error) {
    return { error, milliseconds: performance.now() - start, bytes: Math.max(peak, memory()) - before };
  } finally {
    clearInterval(timer);
  }
}

describe('hostile and broken files', () => {
  it('are all listed', () => {
    expect(files.map(({ file }) => file).sort()).toEqual(
      readdirSync(folder)
        .filter((file) => file !== 'meta.json')
        .sort(),
    );
  });

  for (const hostile of files) {
    it(`${hostile.file}: ${hostile.expect} (${hostile.why})`, async () => {
      const folderBefore = readdirSync(folder);
      const { values, error, milliseconds, bytes } = await open(hostile.file);
      expect(milliseconds).toBeLessThan(2000);
      expect(bytes).toBeLessThan(256 << 20);
      expect(readdirSync(folder)).toEqual(folderBefore);
      if (hostile.canary !== null) expect(existsSync(hostile.canary)).toBe(false);
      if (error !== undefined) expect(isTesseraeError(error), String(error)).toBe(true);
      if (hostile.expect === 'accept') expect(values).toEqual(hostile.value);
      // That weights are missing only the model's importer can see: here the file reads.
      if (hostile.file === 'missing-and-misshaped.pt') expect(values).toHaveProperty(['weights.codebook.weight']);
      else if (hostile.expect.startsWith('refuse')) {
        const message = isTesseraeError(error) ? error.message : 'it was accepted';
        const named = hostile.file === 'hparams-wrong-type.pt' ? ['no tensors'] : hostile.error_should_name;
        for (const word of named.slice(0, 1)) expect(message.toLowerCase()).toContain(word.toLowerCase());
        expect(message).toContain(hostile.file);
      }
    });
  }

  it('leave no mark on JavaScript itself', async () => {
    await open('proto-pollution.pt');
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    expect(typeof {}.toString).toBe('function');
  });
});
