import { describe, expect, it } from 'vitest';
import { fixture } from './__fixtures__/files.js';
import { ascii, joinBytes } from './__fixtures__/writers.js';
import { bytesSource } from './byte-source.js';
import { readArray, stateDictionary } from './checkpoint.js';
import { openCheckpoint } from './open-checkpoint.js';

const open = (bytes: Uint8Array) => openCheckpoint(bytesSource(bytes, 'flax_model.msgpack'));
const counting = (length: number) => Array.from({ length }, (_, index) => index);

describe('Flax parameter trees', () => {
  it('read as tensors named by their paths; arrays in pieces are joined', async () => {
    const checkpoint = await openCheckpoint(fixture('flax/tree.msgpack'));
    expect(checkpoint.format).toBe('flax-msgpack');
    const tensors = stateDictionary(checkpoint);
    expect(Array.from(tensors.values(), ({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
      ['model/encoder/layers/kernel', 'F32', [2, 3, 4]],
      ['model/encoder/layers/bias', 'F16', [4]],
      ['model/encoder/scale', 'BF16', [2, 3]],
      ['model/mask', 'BOOL', [2]],
      ['lm_head/kernel', 'F32', [2, 3, 4]],
      ['step', 'I32', []],
    ]);
    const values = async (name: string) => {
      const tensor = tensors.get(name);
      return tensor === undefined ? [] : Array.from((await readArray(tensor)).data);
    };
    expect(await values('model/encoder/layers/kernel')).toEqual(counting(24));
    expect(await values('lm_head/kernel')).toEqual(counting(24));
    expect(await values('model/encoder/layers/bias')).toEqual(counting(4));
    expect(await values('model/encoder/scale')).toEqual(counting(6));
    expect(await values('model/mask')).toEqual([1, 0]);
    expect(await values('step')).toEqual([12]);
    expect(checkpoint.metadata).toEqual(
      new Map<string, unknown>([
        ['note', 'text'],
        ['count', 3],
        ['rates', [0.5, null]],
      ]),
    );
  });

  it('may lie under params', async () => {
    const tensors = stateDictionary(await openCheckpoint(fixture('flax/wrapped.msgpack')));
    expect([...tensors.keys()]).toEqual(['encoder/layers/kernel', 'encoder/layers/bias', 'encoder/scale', 'mask']);
  });

  it('are refused when they are cut short, at every length', async () => {
    const whole = await fixture('flax/tree.msgpack').read(0, fixture('flax/tree.msgpack').size);
    for (let length = 0; length < whole.length; length += 1) await expect(open(whole.subarray(0, length)), String(length)).rejects.toMatchObject({ code: 'file-corrupt' });
  });

  it('are refused when they lie', async () => {
    const tree = (value: string) => open(joinBytes([ascii('\x81\xa1w'), ascii(value)]));
    // [[2], 'float32', bytes]: right with 8 bytes.
    const array = (shape: string, type: string, bytes: number) => {
      const payload = `\x93${shape}${String.fromCharCode(0xa0 + type.length)}${type}\xc4${String.fromCharCode(bytes)}${'\x00'.repeat(bytes)}`;
      return `\xc7${String.fromCharCode(payload.length)}\x01${payload}`;
    };
    expect((await tree(array('\x91\x02', 'float32', 8))).tensors).toMatchObject([{ name: 'w', shape: [2] }]);
    await expect(tree(array('\x91\x02', 'float32', 7))).rejects.toThrow("tensor 'w' of shape [2] needs 8 bytes, but has 7");
    await expect(tree(array('\x91\xff', 'float32', 8))).rejects.toThrow('is no [shape, type, bytes]');
    await expect(tree(array('\x91\x02', 'complex64', 8))).rejects.toMatchObject({ code: 'model-incompatible' });
    await expect(tree('\xc7\x00\x09')).rejects.toThrow('extension type 9');
    await expect(tree('\xdd\xff\xff\xff\xff')).rejects.toThrow('truncated');
    await expect(tree('\xc6\xff\xff\xff\xff')).rejects.toThrow('truncated');
    await expect(tree('\xc1')).rejects.toThrow('0xc1');
    await expect(tree('\x91'.repeat(100))).rejects.toMatchObject({ code: 'file-unsafe' });
    await expect(tree('\x01\x02')).rejects.toThrow('1 bytes follow');
    await expect(open(ascii('\x82\xa1w\x01\xa1w\x01'))).rejects.toThrow("the key 'w' twice");
  });
});
