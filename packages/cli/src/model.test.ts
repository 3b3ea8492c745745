import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TextTokenizer } from '@tesserae/core';
import { openModelFolder } from '@tesserae/core/node';
import { createReferenceBackend } from '@tesserae/core/reference';
import { convertCheckpoint } from '@tesserae/importers/node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadScorer } from './model.js';

const clip = fileURLToPath(new URL('../../importers/src/__fixtures__/peers/openai-clip/resnet-fp16/model.pt', import.meta.url));
const others: TextTokenizer = { specificationVersion: 'v1', vocabularySize: 50, encode: () => Int32Array.of(1), decode: () => '' };

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-model-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it("opens a CLIP as a model's scorer, which asks for its own text tokenizer when it is used", async () => {
  await convertCheckpoint([clip], { out: join(folder, 'model') });
  const scorer = await loadScorer(await openModelFolder(join(folder, 'model')), others, { backend: createReferenceBackend() });
  const picture = { width: 8, height: 8, data: new Uint8Array(8 * 8 * 3) };
  await expect(scorer?.score('a cat', [{ picture, codes: new Int32Array(0), grid: { rows: 1, columns: 1 } }])).rejects.toMatchObject({
    code: 'model-incompatible',
    message: expect.stringContaining('tokenizer of its own'),
  });
  scorer?.dispose();
});
