import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixture, fixturesFolder } from './__fixtures__/files.js';
import { blobSource } from './byte-source.js';
import { type Checkpoint, stateDictionary } from './checkpoint.js';
import { openCheckpointFile } from './node/index.js';
import { openCheckpoint } from './open-checkpoint.js';

type Described = readonly [dtype: string, shape: readonly number[], sha256: string];
interface Expected {
  readonly truth: 'twin' | 'python';
  readonly tensors: Readonly<Record<string, Described>>;
}

const expected = JSON.parse(readFileSync(join(fixturesFolder, 'peers/expected.json'), 'utf8')) as Readonly<Record<string, Expected>>;

async function describeTensors(checkpoint: Checkpoint): Promise<Record<string, Described>> {
  const described: Record<string, Described> = {};
  for (const [name, tensor] of stateDictionary(checkpoint)) {
    const bytes = await tensor.read();
    expect(bytes.length).toBe(tensor.byteLength);
    described[name] = [tensor.dtype, tensor.shape, createHash('sha256').update(bytes).digest('hex')];
  }
  return described;
}

describe("every peer's file reads to exactly the tensors of its twin", () => {
  for (const [file, { tensors }] of Object.entries(expected)) {
    it(file, async () => {
      const checkpoint = await openCheckpointFile(join(fixturesFolder, 'peers', file));
      expect(await describeTensors(checkpoint)).toEqual(tensors);
    });
  }

  it('and the same from a Blob, as a browser has it', async () => {
    const file = 'openai-dvae/nhid12-blk1-legacy-cuda/encoder.pkl';
    const blob = new Blob([new Uint8Array(readFileSync(join(fixturesFolder, 'peers', file)))]);
    expect(await describeTensors(await openCheckpoint(blobSource(blob, file)))).toEqual(expected[file]?.tensors);
  });
});

describe('what else the files say', () => {
  const open = (file: string) => openCheckpoint(fixture(`peers/${file}`));

  it('tells formats by their bytes', async () => {
    expect((await open('openai-dvae/nhid12-blk1-channelslast/encoder.pkl')).format).toBe('pytorch');
    expect((await open('openai-dvae/nhid12-blk1-legacy-cuda/encoder.pkl')).format).toBe('pytorch-legacy');
    expect((await open('openai-clip/vit-fp16-2heads/model_jit.pt')).format).toBe('torchscript');
  });

  it('a whole module gives its class and its sizes', async () => {
    for (const file of ['nhid12-blk1-channelslast', 'nhid12-blk1-legacy-cuda']) {
      const { moduleClass, metadata } = await open(`openai-dvae/${file}/encoder.pkl`);
      expect(moduleClass).toBe('dall_e.encoder.Encoder');
      expect(metadata.get('n_hid')).toBe(12);
      expect(metadata.get('use_mixed_precision')).toBe(true);
      expect(metadata.has('_modules')).toBe(false);
    }
  });

  it('a training script gives its hyperparameters, and the optimizer stays apart from the weights', async () => {
    const checkpoint = await open('dalle-pytorch/dalle-shared-emb-opt/dalle.pt');
    const hyperparameters = checkpoint.metadata.get('hparams');
    expect(hyperparameters).toBeInstanceOf(Map);
    expect(hyperparameters instanceof Map && hyperparameters.get('dim')).toBe(32);
    expect(hyperparameters instanceof Map && hyperparameters.get('attn_types')).toEqual(['full']);
    expect(checkpoint.tensors.some(({ path }) => path[0] === 'opt_state')).toBe(true);
    expect([...stateDictionary(checkpoint).values()].every(({ path }) => path[0] === 'weights')).toBe(true);
    expect(() => stateDictionary(checkpoint, 'ema')).toThrow("no tensors under 'ema'");
  });

  it('shared weights share their storage', async () => {
    const weights = [...stateDictionary(await open('dalle-pytorch/dalle-shared-layers/dalle.pt')).values()];
    expect(new Set(weights.map(({ storage }) => storage)).size).toBeLessThan(weights.length);
  });

  it("Lightning's callbacks, kept under a class, are names and nothing more", async () => {
    const { metadata, tensors } = await open('taming-vqgan/vq/last.ckpt');
    expect(metadata.get('global_step')).toBe(1234);
    const callbacks = metadata.get('callbacks');
    expect(callbacks instanceof Map && [...callbacks.keys()]).toEqual(['pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint']);
    expect(tensors.filter(({ path }) => path[0] === 'callbacks').length).toBeGreaterThan(0);
  });
});
