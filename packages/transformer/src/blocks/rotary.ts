import { add, concat, float32Array, type Grid, type HostArray, multiply, negate, reshape, sliceAxis, split, type Tensor } from '@tesserae/core';

/** Cosines and sines by position: [positions, rotated], each number twice, for the two channels of a pair. */
export interface RotaryTable {
  readonly cosines: HostArray;
  readonly sines: HostArray;
}

/** Angles are products in single precision in every peer; at angles in the thousands it shows. */
const angle = (position: number, frequency: number): number => Math.fround(Math.fround(position) * frequency);

/** 1/10000^(2i/size) for i = 0 … ⌊size/2⌋ − 1 (Su et al. 2021), in single precision. */
function frequenciesOf(size: number): number[] {
  return Array.from({ length: Math.floor(size / 2) }, (_, index) => Math.fround(1 / Math.fround(10000 ** Math.fround((2 * index) / size))));
}

/** `count` numbers from one to the other as PyTorch makes them in single precision: each half counts from its own end. */
function evenlySpaced(from: number, to: number, count: number): number[] {
  if (count === 1) return [from];
  const step = Math.fround((to - from) / (count - 1));
  return Array.from({ length: count }, (_, index) => Math.fround(index < Math.floor(count / 2) ? from + step * index : to - step * (count - 1 - index)));
}

function tableOf(angles: readonly (readonly number[] | undefined)[], pairs: number): RotaryTable {
  const of = (value: (angle: number) => number): HostArray =>
    float32Array(
      [angles.length, 2 * pairs],
      angles.flatMap((row) => Array.from({ length: 2 * pairs }, (_, channel) => (row === undefined ? 0 : value(row[Math.floor(channel / 2)] ?? 0)))),
    );
  return { cosines: of(Math.cos), sines: of(Math.sin) };
}

/** Where text stands on the picture's axes and pictures on the text's: far away (DALLE-pytorch). */
const textOnAxes = -10;
const imageInText = 8192;

/**
 * DALLE-pytorch: a third of a head turns with the place in the text, a third with the row and a third with the column,
 * whose frequencies are those of pixels (π … 5π over −1 … 1).
 */
export function axialTable(headSize: number, prefix: number, grid: Grid): RotaryTable {
  const size = Math.floor(headSize / 3);
  const text = frequenciesOf(size);
  const pixel = evenlySpaced(1, 5, text.length).map((frequency) => Math.fround(frequency * Math.fround(Math.PI)));
  const rows = evenlySpaced(-1, 1, grid.rows);
  const columns = evenlySpaced(-1, 1, grid.columns);
  const angles = (inText: number, row: number, column: number): number[] => [
    ...text.map((frequency) => angle(inText, frequency)),
    ...pixel.map((frequency) => angle(row, frequency)),
    ...pixel.map((frequency) => angle(column, frequency)),
  ];
  return tableOf(
    [
      ...Array.from({ length: prefix }, (_, position) => angles(position, textOnAxes, textOnAxes)),
      ...rows.flatMap((row) => columns.map((column) => angles(imageInText, row, column))),
    ],
    3 * text.length,
  );
}

/**
 * LlamaGen: half of a head turns with the row, half with the column. The condition's tokens have cosine and sine 0, so
 * that their queries and keys become 0 and every token sees them with score 0: the released models were trained so.
 */
export function gridTable(headSize: number, prefix: number, grid: Grid): RotaryTable {
  const frequencies = frequenciesOf(headSize / 2);
  const image = Array.from({ length: grid.rows * grid.columns }, (_, position) => [
    ...frequencies.map((frequency) => angle(Math.floor(position / grid.columns), frequency)),
    ...frequencies.map((frequency) => angle(position % grid.columns, frequency)),
  ]);
  return tableOf([...Array.from({ length: prefix }, () => undefined), ...image], 2 * frequencies.length);
}

/** (a, b) → (−b, a) for each pair of neighbouring channels. */
function quarterTurn(x: Tensor): Tensor {
  const pairs = reshape(x, [...x.shape.slice(0, -1), (x.shape[x.shape.length - 1] ?? 0) / 2, 2]);
  const [first = pairs, second = pairs] = split(pairs, -1, 2);
  return reshape(concat([negate(second), first], -1), x.shape);
}

/** Turns the first channels of x […, length, headSize] by a table's rows for these positions; the others stay. */
export function rotate(x: Tensor, cosines: Tensor, sines: Tensor): Tensor {
  const headSize = x.shape[x.shape.length - 1] ?? 0;
  const rotated = cosines.shape[cosines.shape.length - 1] ?? 0;
  const turning = sliceAxis(x, -1, 0, rotated);
  const turned = add(multiply(turning, cosines), multiply(quarterTurn(turning), sines));
  return rotated === headSize ? turned : concat([turned, sliceAxis(x, -1, rotated, headSize - rotated)], -1);
}
