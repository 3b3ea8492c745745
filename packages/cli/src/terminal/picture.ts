import type { Picture } from '@tesserae/core';

/** Mean colour of a block of a picture. */
function blockColour(picture: Picture, left: number, top: number, right: number, bottom: number): readonly [number, number, number] {
  const sum = [0, 0, 0];
  let count = 0;
  for (let y = Math.floor(top); y < Math.max(Math.floor(top) + 1, Math.floor(bottom)); y += 1) {
    for (let x = Math.floor(left); x < Math.max(Math.floor(left) + 1, Math.floor(right)); x += 1) {
      const offset = (Math.min(y, picture.height - 1) * picture.width + Math.min(x, picture.width - 1)) * 3;
      for (let channel = 0; channel < 3; channel += 1) sum[channel] = (sum[channel] ?? 0) + (picture.data[offset + channel] ?? 0);
      count += 1;
    }
  }
  return [Math.round((sum[0] ?? 0) / count), Math.round((sum[1] ?? 0) / count), Math.round((sum[2] ?? 0) / count)];
}

/** A picture as text: every character is two pixels, its colour the upper one, its background the lower (24-bit ANSI). */
export function pictureLines(picture: Picture, columns = 32): string[] {
  const rows = Math.max(2, Math.round((columns * picture.height) / picture.width / 2) * 2);
  const [stepX, stepY] = [picture.width / columns, picture.height / rows];
  const lines: string[] = [];
  for (let row = 0; row < rows; row += 2) {
    let line = '';
    for (let column = 0; column < columns; column += 1) {
      const [upper, lower] = [row, row + 1].map((at) => blockColour(picture, column * stepX, at * stepY, (column + 1) * stepX, (at + 1) * stepY).join(';'));
      line += `\u001b[38;2;${upper}m\u001b[48;2;${lower}m▀`;
    }
    lines.push(`${line}\u001b[0m`);
  }
  return lines;
}

/** Several pictures side by side. */
export function picturesSideBySide(pictures: readonly Picture[], columns = 24): string[] {
  const drawn = pictures.map((picture) => pictureLines(picture, columns));
  const height = Math.max(0, ...drawn.map((lines) => lines.length));
  return Array.from({ length: height }, (_, row) => drawn.map((lines) => lines[row] ?? ' '.repeat(columns)).join('  '));
}
