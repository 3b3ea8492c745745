import { describe, expect, it } from 'vitest';
import { ascii, float32Bytes, type WrittenTensor, write, writeTensor, writeTorchLegacy, writeTorchZip } from '../__fixtures__/writers.js';
import { bytesSource } from '../byte-source.js';
import { type CheckpointTensor, readArray, readWeights, stateDictionary } from '../checkpoint.js';
import { elementBytes, swapBytes } from '../element-type.js';
import { openCheckpoint } from '../open-checkpoint.js';

const open = (bytes: Uint8Array) => openCheckpoint(bytesSource(bytes, 'model.pt'));

const six = float32Bytes([1, 2, 3, 4, 5, 6]);
const matrix: WrittenTensor = { storage: '0', type: 'Float', elements: 6, shape: [2, 3], strides: [3, 1] };

async function values(tensor: CheckpointTensor | undefined): Promise<(number | boolean)[]> {
  return tensor === undefined ? [] : Array.from((await readArray(tensor)).data);
}

async function byName(bytes: Uint8Array): Promise<Map<string, CheckpointTensor>> {
  return new Map((await open(bytes)).tensors.map((tensor) => [tensor.name, tensor]));
}

describe('a torch archive', () => {
  it.each([
    ['Double', 'F64', new Uint8Array(Float64Array.of(1, -2, 0.5).buffer), [1, -2, 0.5]],
    ['Float', 'F32', float32Bytes([1, -2, 0.5]), [1, -2, 0.5]],
    ['Half', 'F16', new Uint8Array(Uint16Array.of(0x3c00, 0xc000, 0x3800).buffer), [1, -2, 0.5]],
    ['BFloat16', 'BF16', new Uint8Array(Uint16Array.of(0x3f80, 0xc000, 0x3f00).buffer), [1, -2, 0.5]],
    ['Long', 'I64', new Uint8Array(BigInt64Array.of(1n, -2n, 3n).buffer), [1, -2, 3]],
    ['Int', 'I32', new Uint8Array(Int32Array.of(1, -2, 3).buffer), [1, -2, 3]],
    ['Short', 'I16', new Uint8Array(Int16Array.of(1, -2, 3).buffer), [1, -2, 3]],
    ['Char', 'I8', new Uint8Array(Int8Array.of(1, -2, 3).buffer), [1, -2, 3]],
    ['Byte', 'U8', Uint8Array.of(1, 254, 3), [1, 254, 3]],
    ['Bool', 'BOOL', Uint8Array.of(1, 0, 1), [1, 0, 1]],
  ] as const)('reads %sStorage as %s, from both byte orders', async (type, dtype, content, expected) => {
    const value = write.dictionary({ w: writeTensor({ storage: '0', type, elements: 3, shape: [3], strides: [1], device: 'cuda:0' }) });
    const swapped = new Uint8Array(content);
    swapBytes(swapped, elementBytes[dtype]);
    for (const bytes of [
      writeTorchZip(value, { 0: content }),
      writeTorchZip(value, { 0: swapped }, [{ name: 'archive/byteorder', content: ascii('big') }]),
      writeTorchLegacy(value, { 0: { elements: 3, content } }),
      writeTorchLegacy(value, { 0: { elements: 3, content: swapped } }, false),
    ]) {
      const tensor = (await byName(bytes)).get('w');
      expect(tensor).toMatchObject({ dtype, shape: [3] });
      expect(await values(tensor)).toEqual(expected);
      // Twice: reading must not swap the file's own bytes.
      expect(await values(tensor)).toEqual(expected);
    }
  });

  it('gives views their elements and shared storages one name', async () => {
    const value = write.dictionary({
      plain: writeTensor(matrix),
      transposed: writeTensor({ ...matrix, shape: [3, 2], strides: [1, 3] }),
      tail: writeTensor({ ...matrix, shape: [2], strides: [1], offset: 4 }),
      number: writeTensor({ ...matrix, shape: [], strides: [], offset: 2 }),
    });
    const tensors = await byName(writeTorchZip(value, { 0: six }));
    expect(await values(tensors.get('plain'))).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await values(tensors.get('transposed'))).toEqual([1, 4, 2, 5, 3, 6]);
    expect(await values(tensors.get('tail'))).toEqual([5, 6]);
    expect(await values(tensors.get('number'))).toEqual([3]);
    expect(new Set([...tensors.values()].map(({ storage }) => storage)).size).toBe(1);
  });

  it('knows untyped storages (torch 2) and parameters', async () => {
    const id = write.tuple(write.text('storage'), write.global('torch.storage', 'UntypedStorage'), write.text('0'), write.text('cpu'), write.int(24));
    const shape = write.tuple(write.int(2), write.int(3));
    const strides = write.tuple(write.int(3), write.int(1));
    const type = write.global('torch', 'float32');
    const tensor = write.call(write.global('torch._utils', '_rebuild_tensor_v3'), write.tuple(write.persistent(id), write.int(0), shape, strides, write.false, write.none, type));
    const parameter = write.call(write.global('torch._utils', '_rebuild_parameter'), write.tuple(tensor, write.true, write.none));
    const tensors = await byName(writeTorchZip(write.dictionary({ w: parameter }), { 0: six }));
    expect(await values(tensors.get('w'))).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('a single bare tensor is called tensor', async () => {
    expect([...(await byName(writeTorchZip(writeTensor(matrix), { 0: six }))).keys()]).toEqual(['tensor']);
  });

  it('a module shows what its state_dict would', async () => {
    const module = (parameters: Uint8Array, buffers: Uint8Array, modules: Uint8Array) =>
      write.dictionary({
        _parameters: parameters,
        _buffers: buffers,
        _modules: modules,
        _non_persistent_buffers_set: write.call(write.global('builtins', 'set'), write.tuple(write.list(write.text('scratch')))),
        // An attribute that is no parameter is not in the state_dict.
        cache: writeTensor(matrix),
        width: write.int(3),
      });
    const none = write.dictionary({});
    const leaf = write.object('some.package', 'Linear', module(write.dictionary({ weight: writeTensor(matrix), bias: write.none }), none, none));
    const buffers = write.dictionary({ mask: writeTensor(matrix), scratch: writeTensor(matrix) });
    const root = write.object('some.package', 'Net', module(none, buffers, write.dictionary({ 0: leaf })));
    const { tensors, moduleClass, metadata } = await open(writeTorchZip(root, { 0: six }));
    expect(tensors.map(({ name }) => name)).toEqual(['mask', '0.weight']);
    expect(moduleClass).toBe('some.package.Net');
    expect(metadata).toEqual(new Map([['width', 3]]));
  });

  it('a part of a module that is called model is no wrapper of weights', async () => {
    const none = write.dictionary({});
    const state = (parameters: Uint8Array, modules: Uint8Array) => write.dictionary({ _parameters: parameters, _buffers: none, _modules: modules });
    const inner = write.object('some.package', 'Inner', state(write.dictionary({ w: writeTensor(matrix) }), none));
    const root = write.object('some.package', 'Net', state(write.dictionary({ scale: writeTensor(matrix) }), write.dictionary({ model: inner })));
    expect([...stateDictionary(await open(writeTorchZip(root, { 0: six }))).keys()]).toEqual(['scale', 'model.w']);
    const wrapped = write.dictionary({ model: write.dictionary({ w: writeTensor(matrix) }), optimizer: write.dictionary({ m: writeTensor(matrix) }) });
    expect([...stateDictionary(await open(writeTorchZip(wrapped, { 0: six }))).keys()]).toEqual(['w']);
  });

  it('keeps what configurations hold beside the weights as names', async () => {
    const alias = write.call(write.global('operator', 'getitem'), write.tuple(write.global('typing', 'Dict'), write.global('typing', 'Any')));
    const type = write.call(write.global('numpy', 'dtype'), write.tuple(write.text('u4'), write.false, write.true));
    const randomState = write.call(write.global('numpy.core.multiarray', 'scalar'), write.tuple(type, ascii('C\x04abcd')));
    const options = write.object(
      'argparse',
      'Namespace',
      write.dictionary({ lr: write.int(3), where: write.call(write.global('pathlib', 'PosixPath'), write.tuple(write.text('a'), write.text('b'))) }),
    );
    const { metadata, tensors } = await open(writeTorchZip(write.dictionary({ alias, randomState, options, w: writeTensor(matrix) }), { 0: six }));
    expect(tensors.map(({ name }) => name)).toEqual(['w']);
    expect(metadata).toEqual(
      new Map<string, unknown>([
        ['alias', { opaque: 'typing.Dict' }],
        ['randomState', { opaque: 'an array of a type that is not read' }],
        [
          'options',
          new Map<string, unknown>([
            ['lr', 3],
            ['where', 'a/b'],
          ]),
        ],
      ]),
    );
    const stolen = write.call(write.global('operator', 'getitem'), write.tuple(write.global('some.package', 'Thing'), write.text('x')));
    await expect(open(writeTorchZip(write.dictionary({ stolen }), {}))).rejects.toMatchObject({ code: 'file-unsafe' });
  });

  it('names a weight that is not finite, and the file', async () => {
    const bytes = writeTorchZip(write.dictionary({ w: writeTensor(matrix) }), { 0: float32Bytes([1, 2, 3, 4, Number.POSITIVE_INFINITY, 6]) });
    const [tensor] = (await open(bytes)).tensors;
    if (tensor === undefined) throw new Error('no tensor');
    expect(await values(tensor)).toContain(Number.POSITIVE_INFINITY);
    await expect(readWeights(tensor)).rejects.toMatchObject({
      code: 'numerical-failure',
      message: expect.stringContaining("model.pt: the weight 'w' holds Infinity at element 4"),
    });
  });

  it('refuses storages that are missing, too short, or of no known class', async () => {
    const of = (tensor: WrittenTensor, storages: Record<string, Uint8Array>) => open(writeTorchZip(write.dictionary({ 'layer.weight': writeTensor(tensor) }), storages));
    await expect(of(matrix, {})).rejects.toThrow("tensor 'layer.weight': its storage '0' is not in the archive");
    await expect(of({ ...matrix, storage: '../../etc/passwd' }, { 0: six })).rejects.toThrow('is not in the archive');
    await expect(of(matrix, { 0: six.subarray(0, 20) })).rejects.toThrow('claims 6 elements of 4 bytes, but only 20 bytes are there');
    await expect(of({ ...matrix, type: 'ComplexFloat' }, { 0: six })).rejects.toThrow("'torch.ComplexFloatStorage', which is not read");
  });

  it('refuses two tensors of one name, and files without any', async () => {
    const nested = write.dictionary({ a: write.dictionary({ 'b.c': writeTensor(matrix) }), 'a.b': write.dictionary({ c: writeTensor(matrix) }) });
    await expect(open(writeTorchZip(nested, { 0: six }))).rejects.toThrow("two tensors are named 'a.b.c'");
    await expect(open(writeTorchZip(write.dictionary({ epoch: write.int(3) }), {}))).rejects.toMatchObject({ code: 'model-incompatible' });
  });
});

describe('a torch file from before 1.6', () => {
  it('has views of storages in the sixth field', async () => {
    const value = write.dictionary({
      whole: writeTensor({ ...matrix, view: null }),
      part: writeTensor({ ...matrix, shape: [3], strides: [1], offset: 1, view: ['v', 2, 4] }),
    });
    const tensors = await byName(writeTorchLegacy(value, { 0: { elements: 6, content: six } }));
    expect(await values(tensors.get('whole'))).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await values(tensors.get('part'))).toEqual([4, 5, 6]);
    const beyond = write.dictionary({ part: writeTensor({ ...matrix, shape: [3], strides: [1], view: ['v', 4, 4] }) });
    await expect(byName(writeTorchLegacy(beyond, { 0: { elements: 6, content: six } }))).rejects.toThrow('its view of storage');
  });

  it('is refused with fewer or more bytes than it says', async () => {
    const bytes = writeTorchLegacy(write.dictionary({ w: writeTensor(matrix) }), { 0: { elements: 6, content: six } });
    for (let length = 0; length < bytes.length; length += 1) await expect(open(bytes.subarray(0, length)), String(length)).rejects.toMatchObject({ code: 'file-corrupt' });
    const longer = new Uint8Array(bytes.length + 1);
    longer.set(bytes);
    await expect(open(longer)).rejects.toThrow('1 bytes follow its last storage');
  });

  it('may have a pickle longer than the window that is read first', async () => {
    const note = 'x'.repeat(700_000);
    const value = write.dictionary({ note: write.text(note), w: writeTensor(matrix) });
    const checkpoint = await open(writeTorchLegacy(value, { 0: { elements: 6, content: six } }));
    expect(checkpoint.metadata.get('note')).toBe(note);
    expect(await values(checkpoint.tensors[0])).toEqual([1, 2, 3, 4, 5, 6]);
  });
});
