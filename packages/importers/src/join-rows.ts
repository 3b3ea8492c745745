import { formatShape, type Shape, TesseraeError } from '@tesserae/core';
import type { CheckpointTensor } from './checkpoint.js';
import { elementBytes } from './element-type.js';

/** Rows of a tensor (its first axis), all when none are said. */
export interface TensorRows {
  readonly tensor: CheckpointTensor;
  readonly rows?: readonly [from: number, to: number] | undefined;
}

const rowOf = ({ shape, dtype }: CheckpointTensor): number => shape.slice(1).reduce((product, extent) => product * extent, elementBytes[dtype]);

function refuse({ file }: CheckpointTensor, problem: string): never {
  throw new TesseraeError('model-incompatible', `${file}: ${problem}.`, { remedy: 'Use the checkpoint as the program that made it wrote it.' });
}

async function readRows({ tensor, rows }: TensorRows, options: Parameters<CheckpointTensor['read']>[0]): Promise<Uint8Array> {
  if (rows === undefined) return tensor.read(options);
  const [start, end] = [rows[0] * rowOf(tensor), rows[1] * rowOf(tensor)];
  return tensor.readRange === undefined ? (await tensor.read(options)).subarray(start, end) : tensor.readRange(start, end - start, options);
}

/**
 * Rows of several tensors, one behind the other, as one tensor: a weight of ours that the peer keeps in pieces, or a piece of
 * one that it keeps whole. Read when it is read.
 * @throws TesseraeError `model-incompatible` when a tensor has not these rows, or the rows are of different kinds.
 */
export function joinRows(first: TensorRows, ...others: readonly TensorRows[]): CheckpointTensor {
  const parts = [first, ...others];
  const { tensor: sample } = first;
  if (parts.length === 1 && first.rows === undefined) return sample;
  const inner = sample.shape.slice(1);
  let count = 0;
  for (const { tensor, rows } of parts) {
    const [all = 0, ...rest] = tensor.shape;
    const [from, to] = rows ?? [0, all];
    if (tensor.shape.length === 0 || from < 0 || to > all || from > to) refuse(tensor, `'${tensor.name}' of the shape ${formatShape(tensor.shape)} has no rows ${from} to ${to}`);
    if (tensor.dtype !== sample.dtype || formatShape(rest) !== formatShape(inner))
      refuse(tensor, `'${tensor.name}' (${tensor.dtype}, ${formatShape(tensor.shape)}) does not fit behind '${sample.name}' (${sample.dtype}, ${formatShape(sample.shape)})`);
    count += to - from;
  }
  const shape: Shape = [count, ...inner];
  const { readRange: _whole, stream: _pieces, ...rest } = sample;
  return {
    ...rest,
    name: [...new Set(parts.map(({ tensor }) => tensor.name))].join("', '"),
    shape,
    byteLength: count * rowOf(sample),
    storage: parts.map(({ tensor: { storage }, rows = [] }) => [storage, ...rows].join(' ')).join(' and '),
    async read(options) {
      const bytes = new Uint8Array(count * rowOf(sample));
      let offset = 0;
      for (const part of parts) {
        const piece = await readRows(part, options);
        bytes.set(piece, offset);
        offset += piece.length;
      }
      return bytes;
    },
  };
}
