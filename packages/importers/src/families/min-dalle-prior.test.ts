import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { openPeerFiles } from '../node/peer-files.js';
import { planConversion } from '../plan-conversion.js';

const fileAt = (name: string): string => fileURLToPath(new URL(`../__fixtures__/peers/min-dalle/bart-small/${name}.pt`, import.meta.url));

it('has ones where published files leave out the gain of a norm, and says so', async () => {
  const { files } = await openPeerFiles(['encoder', 'decoder'].map(fileAt));
  const published = files.map((file) => ({
    ...file,
    weights: new Map(Array.from(file.weights).filter(([name]) => !/(pre_\w+_layer_norm|ln0|ln1|final_ln)\.weight$/.test(name))),
  }));
  const [plan] = planConversion(published, { settings: { heads: 4 } });
  // Three in each of two blocks of the encoder, four in each of the decoder, and one behind each.
  expect(plan?.assumed).toContainEqual(expect.stringContaining('16 gains'));
  const gain = plan?.tensors.find(({ path }) => path === 'blocks.1.mlp.hiddenNorm.weight');
  const bytes = await gain?.source.read();
  expect(Array.from(new Float32Array(bytes?.buffer ?? new ArrayBuffer(0)))).toEqual(new Array(44).fill(1));
  expect(() => planConversion(files.slice(0, 1), {})).toThrow('an encoder and a decoder');
});
