import { encodeSafetensors, float32Array } from '@tesserae/core';
import { describe, expect, it } from 'vitest';
import { ascii, float32Bytes, joinBytes, write, writeTensor, writeTorchZip } from './__fixtures__/writers.js';
import { type ByteSource, bytesSource } from './byte-source.js';
import { readArray } from './checkpoint.js';
import { openCheckpoint } from './open-checkpoint.js';

const one = joinBytes(encodeSafetensors(new Map([['a', float32Array([2], [1, 2])]]), { note: 'hello' }));
const two = joinBytes(encodeSafetensors(new Map([['b', float32Array([1], [3])]])));
const torch = writeTorchZip(write.dictionary({ c: writeTensor({ storage: '0', type: 'Float', elements: 1, shape: [1], strides: [1] }) }), { 0: float32Bytes([4]) });

describe('safetensors', () => {
  it('read lazily', async () => {
    const reads: number[] = [];
    const inner = bytesSource(one, 'model.safetensors');
    const source: ByteSource = {
      ...inner,
      read(offset, length, options) {
        reads.push(length);
        return inner.read(offset, length, options);
      },
    };
    const { format, tensors, metadata } = await openCheckpoint(source);
    expect(format).toBe('safetensors');
    expect(metadata.get('note')).toBe('hello');
    const headerReads = reads.length;
    const [tensor] = tensors;
    expect(tensor && Array.from((await readArray(tensor)).data)).toEqual([1, 2]);
    expect(reads.slice(headerReads)).toEqual([8]);
  });

  it('are refused when cut short', async () => {
    for (let length = 0; length < one.length; length += 1)
      await expect(openCheckpoint(bytesSource(one.subarray(0, length), 'x')), String(length)).rejects.toMatchObject({ code: 'file-corrupt' });
  });
});

describe('an index of shards', () => {
  const files: Readonly<Record<string, Uint8Array>> = { 'one.safetensors': one, 'two.safetensors': two, 'three.bin': torch };
  const sibling = async (name: string) => bytesSource(files[name] ?? new Uint8Array(0), name);
  const open = (index: unknown, options = { sibling }) => openCheckpoint(bytesSource(new TextEncoder().encode(JSON.stringify(index)), 'model.safetensors.index.json'), options);

  it('joins files of any kind', async () => {
    const { format, tensors, metadata } = await open({ metadata: { total_size: 16 }, weight_map: { a: 'one.safetensors', b: 'two.safetensors', c: 'three.bin' } });
    expect(format).toBe('sharded');
    expect(metadata.get('total_size')).toBe(16);
    expect(tensors.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
    expect(await Promise.all(tensors.map(async (tensor) => Array.from((await readArray(tensor)).data)))).toEqual([[1, 2], [3], [4]]);
  });

  it('must agree with its files, which must lie beside it', async () => {
    await expect(open({ weight_map: { a: 'one.safetensors', x: 'two.safetensors' } })).rejects.toThrow("does not know the tensor 'b' of two.safetensors");
    await expect(open({ weight_map: { a: 'one.safetensors', b: 'one.safetensors' } })).rejects.toThrow("tensor 'b' is not in one.safetensors");
    for (const file of ['../one.safetensors', '/etc/passwd', 'a\\b', '..', 'C:x'])
      await expect(open({ weight_map: { a: file } }), file).rejects.toMatchObject({ code: 'file-unsafe' });
    await expect(open({ weight_map: { a: 'missing' } })).rejects.toThrow('missing: it is empty');
    await expect(open({ weight_map: { a: 7 } })).rejects.toMatchObject({ code: 'file-corrupt' });
    await expect(open({ weights: {} })).rejects.toThrow("no 'weight_map'");
    await expect(openCheckpoint(bytesSource(ascii('{"weight_map":'), 'x.json'), { sibling })).rejects.toThrow('starts like JSON');
    await expect(openCheckpoint(bytesSource(ascii('{"weight_map":{}}'), 'x.json'))).rejects.toMatchObject({ code: 'invalid-argument' });
  });
});

describe('anything else', () => {
  it.each([
    ['text', 'hello', 'not a checkpoint of a known kind'],
    ['HDF5', '\x89HDF\r\n\x1a\n', 'HDF5'],
    ['tar', `${'x'.repeat(257)}ustar`, 'tar archive'],
    ['a picture', '\x89PNG\r\n\x1a\n', 'not a checkpoint of a known kind'],
  ])('%s is refused by name', async (_, text, message) => {
    await expect(openCheckpoint(bytesSource(ascii(text), 'file'))).rejects.toThrow(message);
  });
});
