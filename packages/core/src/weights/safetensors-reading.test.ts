import { describe, expect, it } from 'vitest';
import { isTesseraeError } from '../errors/index.js';
import { boolArray, float32Array, type HostArray, int32Array, zerosArray } from '../tensor/index.js';
import { encodeSafetensors, weightsFromArrays, weightsFromSafetensors } from './index.js';

/** A file from its header, as text or as what JSON is made from, and its data. */
function file(header: unknown, data: Uint8Array = new Uint8Array(0), claimedLength?: number): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(claimedLength ?? json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

const join = (pieces: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(pieces));
const bytesOf = ({ data }: HostArray): number[] => Array.from(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));

/** The error of reading: its code and its message. */
function refusal(bytes: Uint8Array): { code: string; message: string } {
  try {
    weightsFromSafetensors(bytes, 'model.safetensors');
  } catch (error) {
    if (isTesseraeError(error)) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('the file was accepted');
}

describe('safetensors that were written are read back', () => {
  const arrays = new Map<string, HostArray>([
    ['truth', boolArray([3], [true, false, true])],
    ['weight', float32Array([2, 2], [1.5, -0, Number.NaN, Number.NEGATIVE_INFINITY])],
    ['steps', int32Array([], [-7])],
    ['nothing', zerosArray([0, 4])],
    ['ünïcode "name"', float32Array([1], [0.1])],
  ]);

  it('to the same bytes, types and metadata', async () => {
    const source = weightsFromSafetensors(join(encodeSafetensors(arrays, { format: 'tesserae', note: '✓' })));
    expect(source.metadata).toEqual({ format: 'tesserae', note: '✓' });
    expect([...source.types.keys()].sort()).toEqual([...arrays.keys()].sort());
    for (const [name, array] of arrays) {
      const read = await source.read(name);
      expect({ dtype: read.dtype, shape: read.shape }).toEqual({ dtype: array.dtype, shape: array.shape });
      expect(bytesOf(read), name).toEqual(bytesOf(array));
      expect(source.types.get(name)).toEqual({ name, dtype: array.dtype, shape: array.shape });
    }
  });

  it('as arrays of their own: changing one changes neither the file nor the next read', async () => {
    const source = weightsFromSafetensors(join(encodeSafetensors(arrays)));
    (await source.read('weight')).data.fill(9);
    expect(bytesOf(await source.read('weight'))).toEqual(bytesOf(arrays.get('weight') ?? zerosArray([])));
  });

  it('from data that begins at a multiple of 64 bytes, elements aligned, so that an engine can map them', () => {
    const [head = new Uint8Array(0), ...pieces] = encodeSafetensors(arrays);
    expect(head.length % 64).toBe(0);
    // Wide elements come before narrow ones: no tensor is misaligned and none needs padding.
    expect(pieces.map(({ length }) => length)).toEqual([16, 4, 0, 4, 3]);
  });

  it('also from a buffer of Node, which is a view into a pool and has a slice of its own', async () => {
    const source = weightsFromSafetensors(Buffer.from(join(encodeSafetensors(arrays))));
    for (const [name, array] of arrays) {
      const read = await source.read(name);
      expect(bytesOf(read), name).toEqual(bytesOf(array));
      read.data.fill(1);
      expect(bytesOf(await source.read(name)), name).toEqual(bytesOf(array));
    }
  });

  it('also from a view into a larger buffer', async () => {
    const bytes = join(encodeSafetensors(arrays));
    const larger = new Uint8Array(bytes.length + 13);
    larger.set(bytes, 13);
    expect(bytesOf(await weightsFromSafetensors(larger.subarray(13)).read('weight'))).toEqual(bytesOf(arrays.get('weight') ?? zerosArray([])));
  });
});

describe('a safetensors file that lies is refused as corrupt, naming file and tensor', () => {
  const tensor = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
  const eight = new Uint8Array(8);
  const lies: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['an empty file', new Uint8Array(0), /only 0 bytes/],
    ['a file shorter than the length of its header', new Uint8Array(5), /only 5 bytes/],
    ['a header longer than the file', file({ w: tensor }, eight, 1_000_000), /header claims 1000000 bytes of a file of/],
    ['a header that would take the whole memory', file({ w: tensor }, eight, 2 ** 53), /header claims 9007199254740992 bytes/],
    ['a header that is not JSON', file('{"w": '), /header is not JSON/],
    ['a header that is not UTF-8', join([Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0), Uint8Array.of(0x7b, 0xff)]), /header is not JSON/],
    ['a header that is a list', file([tensor]), /not a JSON object/],
    ['a header that is null', file('null'), /not a JSON object/],
    ['metadata that are no texts', file({ __metadata__: { epoch: 3 } }), /metadata is not a table of texts/],
    ['a tensor without a description', file({ w: 'F32' }, eight), /tensor 'w' is described by no object/],
    ['an unknown element type', file({ w: { ...tensor, dtype: 'F8_E4M3' } }, eight), /tensor 'w' has the element type "F8_E4M3"/],
    ['an element type from the prototype', file({ w: { ...tensor, dtype: 'toString' } }, eight), /tensor 'w' has the element type "toString"/],
    ['a negative size', file({ w: { ...tensor, shape: [-2, -1] } }, eight), /tensor 'w' has the shape \[-2,-1\]/],
    ['a fractional size', file({ w: { ...tensor, shape: [0.5, 4] } }, eight), /tensor 'w' has the shape/],
    ['one offset', file({ w: { ...tensor, data_offsets: [0] } }, eight), /tensor 'w' has the offsets \[0\]/],
    ['offsets that run backwards', file({ w: { ...tensor, data_offsets: [8, 0] } }, eight), /tensor 'w' of shape \[2\] needs 8 bytes but has -8/],
    ['a length that does not fit the shape', file({ w: { ...tensor, shape: [3] } }, eight), /tensor 'w' of shape \[3\] needs 12 bytes but has 8/],
    ['offsets past the end', file({ w: { ...tensor, data_offsets: [4, 12] } }, eight), /tensor 'w' ends at byte \d+ of a file of/],
    ['a truncated file', file({ w: tensor }, eight).subarray(0, -1), /tensor 'w' ends at byte \d+ of a file of/],
    ['tensors that overlap', file({ w: tensor, v: { ...tensor, data_offsets: [4, 12] } }, new Uint8Array(12)), /tensors 'w' and 'v' overlap/],
    ['tensors in one place', file({ w: tensor, v: tensor }, eight), /tensors '\w' and '\w' overlap/],
  ];
  for (const [what, bytes, message] of lies) {
    it(what, () => {
      const { code, message: said } = refusal(bytes);
      expect(code).toBe('file-corrupt');
      expect(said).toMatch(message);
      expect(said).toContain('model.safetensors');
      expect(said).toContain('Get the file again');
    });
  }
});

describe('other element types become float32 and int32', () => {
  const read = async (dtype: string, shape: number[], data: Uint8Array): Promise<HostArray> =>
    weightsFromSafetensors(file({ w: { dtype, shape, data_offsets: [0, data.length] } }, data), 'model.safetensors').read('w');
  const halves = (...bits: number[]): Uint8Array => new Uint8Array(Uint16Array.from(bits).buffer);

  it('F16: normal, subnormal, largest, both zeros, infinities and NaN (IEEE 754 binary16)', async () => {
    const { dtype, data } = await read('F16', [9], halves(0x3c00, 0xc000, 0x3555, 0x0001, 0x03ff, 0x7bff, 0x8000, 0x7c00, 0xfc00));
    expect(dtype).toBe('float32');
    expect(Array.from(data)).toEqual([1, -2, 0.333251953125, 2 ** -24, 1023 * 2 ** -24, 65504, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
    expect((await read('F16', [1], halves(0x7e00))).data[0]).toBeNaN();
  });

  it('BF16: the upper half of a float32', async () => {
    const { data } = await read('BF16', [4], halves(0x3f80, 0xc049, 0x0001, 0xff80));
    expect(Array.from(data)).toEqual([1, -3.140625, 2 ** -133, Number.NEGATIVE_INFINITY]);
  });

  it('F64, rounded', async () => {
    const { data } = await read('F64', [2], new Uint8Array(Float64Array.of(0.1, -1e300).buffer));
    expect(Array.from(data)).toEqual([Math.fround(0.1), Number.NEGATIVE_INFINITY]);
  });

  it('whole numbers of 8, 16 and 64 bits', async () => {
    expect(await read('U8', [2], Uint8Array.of(0, 255))).toEqual(int32Array([2], [0, 255]));
    expect(await read('I8', [2], Uint8Array.of(127, 128))).toEqual(int32Array([2], [127, -128]));
    expect(await read('I16', [1], new Uint8Array(Int16Array.of(-300).buffer))).toEqual(int32Array([1], [-300]));
    expect(await read('I64', [2], new Uint8Array(BigInt64Array.of(-5n, 2147483647n).buffer))).toEqual(int32Array([2], [-5, 2147483647]));
  });

  it('but not when a 64-bit number does not fit: better refused than wrong', async () => {
    const reading = read('I64', [1], new Uint8Array(BigInt64Array.of(2147483648n).buffer));
    await expect(reading).rejects.toMatchObject({ code: 'file-corrupt', message: expect.stringMatching(/model\.safetensors: tensor 'w' holds 2147483648/) });
  });
});

describe('asking for a tensor that is not there', () => {
  it('says that the weights are of another model', async () => {
    const expected = { code: 'model-incompatible', message: expect.stringContaining("no tensor 'absent'") };
    await expect(weightsFromArrays(new Map()).read('absent')).rejects.toMatchObject(expected);
    await expect(weightsFromSafetensors(file({})).read('absent')).rejects.toMatchObject(expected);
  });
});
