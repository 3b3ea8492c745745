import { describe, expect, it } from 'vitest';
import { fixture } from './__fixtures__/files.js';
import { ascii, joinBytes, writeZip } from './__fixtures__/writers.js';
import { bytesSource } from './byte-source.js';
import { type Checkpoint, type CheckpointTensor, readArray, stateDictionary } from './checkpoint.js';
import { openCheckpoint } from './open-checkpoint.js';

const counting = Array.from({ length: 24 }, (_, index) => index);

async function values(tensor: CheckpointTensor | undefined): Promise<number[]> {
  return tensor === undefined ? [] : Array.from((await readArray(tensor)).data);
}

const only = ({ tensors: [tensor] }: Checkpoint) => tensor;

/** A `.npy` with a header of one's own. */
function npy(header: string, data: Uint8Array): Uint8Array {
  const padded = `${header}\n`;
  return joinBytes([ascii('\u0093NUMPY\u0001\u0000'), Uint8Array.of(padded.length & 0xff, padded.length >> 8), ascii(padded), data]);
}

const open = (bytes: Uint8Array) => openCheckpoint(bytesSource(bytes, 'array.npy'));

describe('NumPy arrays', () => {
  it.each([
    ['f8', 'F64'],
    ['f4', 'F32'],
    ['f2', 'F16'],
    ['i8', 'I64'],
    ['i4', 'I32'],
    ['i2', 'I16'],
    ['i1', 'I8'],
    ['u1', 'U8'],
    ['big-endian', 'F32'],
    ['fortran', 'F32'],
  ])('%s.npy reads as %s', async (name, dtype) => {
    const checkpoint = await openCheckpoint(fixture(`numpy/${name}.npy`));
    expect(checkpoint.format).toBe('npy');
    expect(only(checkpoint)).toMatchObject({ name: 'array', dtype, shape: [2, 3, 4] });
    expect(await values(only(checkpoint))).toEqual(counting);
  });

  it('truth values, scalars, empty arrays and bfloat16', async () => {
    expect(await values(only(await openCheckpoint(fixture('numpy/b1.npy'))))).toEqual(counting.map((value) => (value % 2 === 0 ? 1 : 0)));
    expect(only(await openCheckpoint(fixture('numpy/scalar.npy')))?.shape).toEqual([]);
    expect(await values(only(await openCheckpoint(fixture('numpy/scalar.npy'))))).toEqual([1.5]);
    expect(only(await openCheckpoint(fixture('numpy/empty.npy')))?.shape).toEqual([0, 3]);
    expect(await values(only(await openCheckpoint(fixture('numpy/bfloat16.npy'))))).toEqual([0, 1, 2, 3]);
  });

  it('archives, stored and deflated', async () => {
    for (const name of ['stored', 'deflated']) {
      const checkpoint = await openCheckpoint(fixture(`numpy/${name}.npz`));
      expect(checkpoint.format).toBe('npz');
      const tensors = stateDictionary(checkpoint);
      expect([...tensors.keys()]).toEqual(['encoder.weight', 'encoder.bias', 'steps', 'fortran']);
      expect(await values(tensors.get('encoder.weight'))).toEqual(counting);
      expect(await values(tensors.get('encoder.bias'))).toEqual([0, 1, 2, 3]);
      expect(await values(tensors.get('steps'))).toEqual([7]);
      expect(await values(tensors.get('fortran'))).toEqual(counting);
    }
  });

  it('refuses objects, which are pickles, and types it does not read', async () => {
    await expect(openCheckpoint(fixture('numpy/objects.npy'))).rejects.toMatchObject({ code: 'file-unsafe' });
    await expect(openCheckpoint(fixture('numpy/complex.npy'))).rejects.toMatchObject({ code: 'model-incompatible', message: expect.stringContaining('<c8') });
  });

  it('refuses headers that do not add up', async () => {
    const four = new Uint8Array(4);
    expect(only(await open(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", four)))?.shape).toEqual([1]);
    for (const header of [
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1e3,), }",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999999, 999999999999999), }",
      "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,), }",
      "{'descr': '<f4', 'shape': (1,), }",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': True}",
      "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
      "__import__('os').system('true')",
      '',
    ]) {
      await expect(open(npy(header, four)), header).rejects.toMatchObject({ code: 'file-corrupt' });
    }
    await expect(open(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", four))).rejects.toMatchObject({ code: 'model-incompatible' });
  });

  it('an archive with something else in it is no archive of arrays', async () => {
    const array = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", new Uint8Array(4));
    await expect(
      open(
        writeZip([
          { name: 'a.npy', content: array },
          { name: 'b.txt', content: ascii('b') },
        ]),
      ),
    ).rejects.toThrow("'b.txt' is no array");
    await expect(open(writeZip([{ name: 'b.txt', content: ascii('b') }]))).rejects.toThrow('neither the data.pkl of PyTorch nor arrays of NumPy');
  });
});

describe('pickled dictionaries of NumPy arrays', () => {
  it.each([0, 1, 2, 3, 4, 5])('protocol %i', async (protocol) => {
    const checkpoint = await openCheckpoint(fixture(`numpy/dictionary-protocol-${protocol}.pkl`));
    expect(checkpoint.format).toBe('pickle');
    const tensors = stateDictionary(checkpoint);
    expect(await values(tensors.get('a'))).toEqual(counting);
    expect(await values(tensors.get('b'))).toEqual(counting);
    expect(await values(tensors.get('c'))).toEqual([2.5]);
    expect(checkpoint.metadata.get('name')).toBe('häuser');
    expect(checkpoint.metadata.get('sizes')).toEqual([
      1,
      [2, 3],
      new Map<string, unknown>([
        ['x', null],
        ['y', true],
        ['z', -5],
        ['w', 2n ** 70n],
        ['v', 1.25],
      ]),
    ]);
  });
});
