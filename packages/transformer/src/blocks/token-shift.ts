import {
  boolArray,
  broadcastTo,
  concat,
  equal,
  float32Array,
  type Grid,
  gather,
  greater,
  literal,
  maximum,
  pad,
  reshape,
  sliceAxis,
  subtract,
  type Tensor,
  where,
} from '@tesserae/core';

/** x [batch, length, channels] moved `by` places along the sequence; what comes in is 0. */
function moved(x: Tensor, by: number): Tensor {
  const [batch = 0, length = 0, channels = 0] = x.shape;
  const kept = Math.max(0, length - by);
  if (kept === 0) return broadcastTo(literal(x.builder, float32Array([], [0])), [batch, length, channels]);
  return pad(sliceAxis(x, 1, 0, kept), [0, by, 0], [0, 0, 0]);
}

function shiftText(text: Tensor): Tensor {
  const width = text.shape[2] ?? 0;
  return concat([moved(sliceAxis(text, 2, 0, width / 2), 1), sliceAxis(text, 2, width / 2, width / 2)], 2);
}

function shiftImage(image: Tensor, grid: Grid): Tensor {
  const [, length = 0, width = 0] = image.shape;
  const quarter = width / 4;
  const above = moved(sliceAxis(image, 2, 0, quarter), grid.columns);
  const before = moved(sliceAxis(image, 2, quarter, quarter), 1);
  const hasLeft = boolArray(
    [length, 1],
    Uint8Array.from({ length }, (_, position) => (position % grid.columns === 0 ? 0 : 1)),
  );
  const left = where(literal(image.builder, hasLeft), before, 0);
  return concat([above, left, sliceAxis(image, 2, 2 * quarter, 2 * quarter)], 2);
}

/**
 * Token shift as in DALLE-pytorch: of a text token the first half of the channels is that of the token before, of an
 * image token the first quarter that of the one above and the second that of the one to the left; 0 where there is
 * none. x [batch, prefix + image tokens, width] → the same.
 */
export function shiftTokens(x: Tensor, prefix: number, grid: Grid): Tensor {
  const images = (x.shape[1] ?? 0) - prefix;
  const text = shiftText(sliceAxis(x, 1, 0, prefix));
  return images === 0 ? text : concat([text, shiftImage(sliceAxis(x, 1, prefix, images), grid)], 1);
}

/**
 * The half of the channels that later tokens may take, of the last token seen in each column: x as in `shiftTokens` →
 * [batch, columns, width / 2], 0 where a column has not been seen.
 */
export function recentTokens(x: Tensor, prefix: number, grid: Grid): Tensor {
  const [, length = 0, width = 0] = x.shape;
  const count = length - prefix;
  const kept = Math.min(count, grid.columns);
  const last = pad(sliceAxis(sliceAxis(x, 1, length - kept, kept), 2, 0, width / 2), [0, grid.columns - kept, 0], [0, 0, 0]);
  // The last `columns` tokens begin in the column after the last one.
  const start = count % grid.columns;
  if (start === 0) return last;
  return concat([sliceAxis(last, 1, grid.columns - start, start), sliceAxis(last, 1, 0, grid.columns - start)], 1);
}

/** One image token a row at an int32 scalar column: its shifted channels, and what is to be remembered after it. */
export function shiftOne(x: Tensor, recent: Tensor, column: Tensor): { readonly shifted: Tensor; readonly recent: Tensor } {
  const [rows = 0, width = 0] = x.shape;
  const quarter = width / 4;
  const above = sliceAxis(gather(recent, column, 1), 1, 0, quarter);
  const before = sliceAxis(gather(recent, maximum(subtract(column, 1), 0), 1), 1, quarter, quarter);
  const left = where(greater(column, 0), before, 0);
  const columns = recent.shape[1] ?? 0;
  const isOwn = equal(x.builder.add('iota', [], { axis: 0, shape: [columns, 1] }), column);
  return {
    shifted: concat([above, left, sliceAxis(x, 1, 2 * quarter, 2 * quarter)], 1),
    recent: where(isOwn, reshape(sliceAxis(x, 1, 0, 2 * quarter), [rows, 1, 2 * quarter]), recent),
  };
}
