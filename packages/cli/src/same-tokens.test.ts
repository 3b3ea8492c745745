import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Backend } from '@tesserae/core';
import { sampleExample } from '@tesserae/datasets';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backendRegistry } from './backends.js';
import { type LoadedModel, loadModel } from './model.js';

const folder = fileURLToPath(new URL('../../../models/scenes', import.meta.url));
const choices = [
  { name: 'onnx', device: 'cpu' },
  { name: 'tfjs-gpu', device: 'wasm' },
  { name: 'reference', device: 'cpu' },
] as const;

/** 20 captions the bundled model was not trained on: half with one object, half with two. */
const prompts = Array.from({ length: 20 }, (_, index) => sampleExample(11, 'validation', index, { kind: index % 2 === 0 ? 'one' : 'two' }).caption);
/** The reference backend is slow on purpose; one prompt shows there what the others show in full. */
const referencePrompts = 1;

describe.skipIf(!existsSync(folder))('the bundled model draws the same tokens on every engine', () => {
  const opened: { readonly name: string; readonly backend: Backend; readonly model: LoadedModel }[] = [];

  beforeAll(async () => {
    for (const { name, device } of choices) {
      const backend = await backendRegistry[name]?.({ device });
      if (backend !== undefined) opened.push({ name, backend, model: await loadModel(folder, { backend }) });
    }
  });
  afterAll(async () => {
    for (const { backend, model } of opened) {
      model.dispose();
      await backend.dispose();
    }
  });

  const tokensOf = async (model: LoadedModel, prompt: string, seed: number, temperature: number): Promise<readonly number[]> => {
    const { images } = await model.generator().generate({ prompt, seed, temperature, guidance: 2, topP: 0.95 });
    return Array.from(images[0]?.codes ?? []);
  };

  it.each([
    ['greedily', 0],
    ['sampled', 1],
  ])('%s', { timeout: 900_000 }, async (_, temperature) => {
    const [onnx, ...others] = opened;
    if (onnx === undefined) throw new Error('no backend was opened');
    for (const [index, prompt] of prompts.entries()) {
      const expected = await tokensOf(onnx.model, prompt, index, temperature);
      expect(expected.length).toBe(onnx.model.prior.grid.rows * onnx.model.prior.grid.columns);
      for (const { name, model } of others) {
        if (name === 'reference' && index >= referencePrompts) continue;
        expect({ name, prompt, tokens: await tokensOf(model, prompt, index, temperature) }).toEqual({ name, prompt, tokens: expected });
      }
    }
  });
});
