import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Backend } from '@tesserae/core';
import { sampleExample } from '@tesserae/datasets';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backendRegistry } from '../backends.js';
import { type LoadedModel, loadModel } from '../model.js';

const folder = fileURLToPath(new URL('../../../../models/scenes', import.meta.url));
const choices = [
  { name: 'onnx', device: 'cpu' },
  { name: 'tfjs-gpu', device: 'wasm' },
  { name: 'reference', device: 'cpu' },
] as const;

/** 20 captions the bundled model was not trained on: half with one object, half with two. */
const prompts = Array.from({ length: 20 }, (_, index) => sampleExample(11, 'validation', index, { kind: index % 2 === 0 ? 'one' : 'two' }).caption);

/** The tests that every engine draws the same tokens. A file a temperature: the reference backend takes minutes for each, and files run side by side. */
export function describeSameTokens(how: string, temperature: number): void {
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

    const tokensOf = async (model: LoadedModel, prompt: string, seed: number): Promise<readonly number[]> => {
      const { images } = await model.generator().generate({ prompt, seed, temperature, guidance: 2, topP: 0.95 });
      return Array.from(images[0]?.codes ?? []);
    };

    it.each(prompts.map((prompt, index) => ({ prompt, index })))(`${how}: $prompt`, { timeout: 300_000 }, async ({ prompt, index }) => {
      const [onnx, ...others] = opened;
      if (onnx === undefined) throw new Error('no backend was opened');
      expect(others.map(({ name }) => name)).toEqual(['tfjs-gpu', 'reference']);
      const expected = await tokensOf(onnx.model, prompt, index);
      expect(expected.length).toBe(onnx.model.prior.grid.rows * onnx.model.prior.grid.columns);
      for (const { name, model } of others) expect({ name, tokens: await tokensOf(model, prompt, index) }).toEqual({ name, tokens: expected });
    });
  });
}
