import type { QuantisedMatrix, WeightSource } from '../backend/index.js';
import { TesseraeError } from '../errors/index.js';
import { float32Array, type HostArray, type HostArrayOf } from '../tensor/index.js';

/** Weights a scale is shared by: a whole row at 8 bits, where engines multiply whole numbers and scale the sums; few enough at 4 for so few codes to follow them. */
export function quantisedBlock(bits: QuantisedMatrix['bits'], columns: number): number {
  return bits === 8 ? columns : 32;
}

/**
 * How far codes lie from the middle. At 4 bits as far as they can. At 8 half as far: processors without instructions for it (x86 before VNNI) add the
 * products of two codes and two activations of 8 bits in 16, where 2·255·64 fits and 2·255·127 does not.
 */
export const quantisedReach = { 8: 64, 4: 8 } as const satisfies Record<QuantisedMatrix['bits'], number>;

/** float32 [rows, columns] → the nearest codes. The largest weight of a block, whatever its sign, is met exactly. */
export function quantiseMatrix({ shape, data }: HostArrayOf<'float32'>, bits: 4 | 8): QuantisedMatrix {
  const [rows = 0, columns = 0] = shape;
  const block = quantisedBlock(bits, columns);
  const blocks = block === 0 ? 0 : Math.ceil(columns / block);
  const middle = 2 ** (bits - 1);
  const reach = quantisedReach[bits];
  // What fills up the last block of a row stands for 0.
  const codes = new Uint8Array((rows * blocks * block * bits) / 8).fill(bits === 8 ? middle : middle * 17);
  const scales = new Float32Array(rows * blocks);
  for (let place = 0; place < scales.length; place += 1) {
    const row = Math.floor(place / blocks);
    const first = (place % blocks) * block;
    const weights = data.subarray(row * columns + first, row * columns + Math.min(columns, first + block));
    let extreme = 0;
    for (const weight of weights) if (Math.abs(weight) > Math.abs(extreme)) extreme = weight;
    // Where there is one code more below the middle than above it, the extreme takes it.
    const scale = extreme / -reach;
    scales[place] = scale;
    if (scale === 0) continue;
    const start = place * block;
    for (let index = 0; index < weights.length; index += 1) {
      const code = Math.min(2 * middle - 1, Math.max(0, Math.round((weights[index] ?? 0) / scale) + middle));
      if (bits === 8) {
        codes[start + index] = code;
        continue;
      }
      const byte = (start + index) >> 1;
      const held = codes[byte] ?? 0;
      codes[byte] = index % 2 === 0 ? (held & 0xf0) | code : (held & 0x0f) | (code << 4);
    }
  }
  return { bits, block, rows, columns, codes, scales };
}

/** The weights that the codes stand for: float32 [rows, columns]. */
export function dequantiseMatrix({ bits, block, rows, columns, codes, scales }: QuantisedMatrix): HostArrayOf<'float32'> {
  const blocks = block === 0 ? 0 : Math.ceil(columns / block);
  const middle = 2 ** (bits - 1);
  const data = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const place = row * blocks + Math.floor(column / block);
      const index = place * block + (column % block);
      const code = bits === 8 ? (codes[index] ?? 0) : ((codes[index >> 1] ?? 0) >> (4 * (index & 1))) & 15;
      data[row * columns + column] = (code - middle) * (scales[place] ?? 0);
    }
  }
  return float32Array([rows, columns], data);
}

function refuse(name: string): never {
  throw new TesseraeError('invalid-argument', `The weight '${name}' cannot be quantised: it is no float32 matrix.`, {
    remedy: 'Name matrices of the model only.',
    details: { name },
  });
}

const floats = (name: string, array: HostArray): HostArrayOf<'float32'> => (array.dtype === 'float32' ? (array as HostArrayOf<'float32'>) : refuse(name));

/**
 * `source` with the matrices of `names` in `bits` bits a weight. Engines that multiply by codes ask for them
 * (`quantised`); all others read what the codes stand for, so that every engine runs the same function.
 * @throws TesseraeError `invalid-argument` for a name that is no float32 matrix of the source.
 */
export function quantiseWeights(source: WeightSource, bits: 4 | 8, names: ReadonlySet<string>): WeightSource {
  for (const name of names) {
    const type = source.types.get(name);
    if (type?.dtype !== 'float32' || type.shape.length !== 2) refuse(name);
  }
  // Several programs read the same weights.
  const made = new Map<string, Promise<QuantisedMatrix>>();
  const quantised = (name: string): Promise<QuantisedMatrix> | undefined => {
    if (!names.has(name)) return undefined;
    const known = made.get(name);
    if (known !== undefined) return known;
    const matrix = source.read(name).then((array) => quantiseMatrix(floats(name, array), bits));
    made.set(name, matrix);
    // What failed may be tried again.
    matrix.catch(() => made.delete(name));
    return matrix;
  };
  return {
    types: source.types,
    async read(name) {
      const matrix = quantised(name);
      return matrix === undefined ? source.read(name) : dequantiseMatrix(await matrix);
    },
    // Not in a file any more.
    location: (name) => (names.has(name) ? undefined : source.location?.(name)),
    quantised,
  };
}
