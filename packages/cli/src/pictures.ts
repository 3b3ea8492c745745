import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Picture, TesseraeError } from '@tesserae/core';
import { writeFileAtomically } from '@tesserae/core/node';

async function loadSharp() {
  try {
    return (await import('sharp')).default;
  } catch (cause) {
    throw new TesseraeError('missing-dependency', 'Writing pictures needs the package sharp.', { remedy: 'Install it: npm install sharp.', cause });
  }
}

/** A picture as the bytes of a PNG file, enlarged by whole pixels. */
export async function encodePng(picture: Picture, scale = 1): Promise<Uint8Array> {
  const sharp = await loadSharp();
  const image = sharp(picture.data, { raw: { width: picture.width, height: picture.height, channels: 3 } });
  const sized = scale === 1 ? image : image.resize(picture.width * scale, picture.height * scale, { kernel: 'nearest' });
  return sized.png().toBuffer();
}

export async function writePng(path: string, picture: Picture, scale = 1): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFileAtomically(path, await encodePng(picture, scale));
}

/** Rows of pictures of one size with a white line between them, as one picture. */
export function contactSheet(rows: readonly (readonly Picture[])[], gap = 2): Picture {
  const columns = Math.max(1, ...rows.map((row) => row.length));
  const { width: cellWidth = 1, height: cellHeight = 1 } = rows[0]?.[0] ?? {};
  const width = columns * (cellWidth + gap) + gap;
  const height = rows.length * (cellHeight + gap) + gap;
  const data = new Uint8Array(width * height * 3).fill(255);
  rows.forEach((row, rowIndex) => {
    row.forEach((picture, columnIndex) => {
      for (let y = 0; y < cellHeight; y += 1) {
        const line = picture.data.subarray(y * picture.width * 3, (y + 1) * picture.width * 3);
        data.set(line, ((gap + rowIndex * (cellHeight + gap) + y) * width + gap + columnIndex * (cellWidth + gap)) * 3);
      }
    });
  });
  return { width, height, data };
}

export function writeStrip(path: string, rows: readonly (readonly Picture[])[]): Promise<void> {
  return writePng(path, contactSheet(rows));
}

/** A picture file, resized and cropped around its centre to the given size. @throws TesseraeError `image-invalid`. */
export async function readPicture(path: string, size: { readonly width: number; readonly height: number }): Promise<Picture> {
  const sharp = await loadSharp();
  try {
    const data = await sharp(path).flatten({ background: '#ffffff' }).removeAlpha().toColourspace('srgb').resize(size.width, size.height, { fit: 'cover' }).raw().toBuffer();
    return { ...size, data: new Uint8Array(data) };
  } catch (cause) {
    throw new TesseraeError('image-invalid', `${path} cannot be read as a picture: ${cause instanceof Error ? cause.message : String(cause)}.`, {
      remedy: 'Use a PNG, JPEG or WebP file.',
      cause,
    });
  }
}
