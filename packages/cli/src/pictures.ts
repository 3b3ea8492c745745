import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Picture, TesseraeError } from '@tesserae/core';
import { writeFileAtomically } from '@tesserae/core/node';
import { cropPicture } from '@tesserae/dvae';

export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

async function loadSharp() {
  try {
    return (await import('sharp')).default;
  } catch (cause) {
    throw new TesseraeError('missing-dependency', 'Writing pictures needs the package sharp.', { remedy: 'Install it: npm install sharp.', cause });
  }
}

async function sharpOf(picture: Picture, scale: number) {
  const sharp = await loadSharp();
  const image = sharp(picture.data, { raw: { width: picture.width, height: picture.height, channels: 3 } });
  return scale === 1 ? image : image.resize(Math.round(picture.width * scale), Math.round(picture.height * scale), { kernel: scale > 1 ? 'nearest' : 'lanczos3' });
}

/** A picture as the bytes of a PNG file, enlarged by whole pixels. */
export async function encodePng(picture: Picture, scale = 1): Promise<Uint8Array> {
  return (await sharpOf(picture, scale)).png().toBuffer();
}

/** A picture as the bytes of a WebP file, which is smaller and not exact: quality 1 to 100, shrunk where `scale` is below 1. */
export async function encodeWebp(picture: Picture, quality: number, scale = 1): Promise<Uint8Array> {
  return (await sharpOf(picture, scale)).webp({ quality }).toBuffer();
}

export async function writePng(path: string, picture: Picture, scale = 1): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFileAtomically(path, await encodePng(picture, scale));
}

/**
 * Rows of pictures with a line between them, white unless told another grey, as one picture. Where sizes differ, each stands at the top left of
 * a cell for the largest.
 */
export function contactSheet(rows: readonly (readonly Picture[])[], { gap = 2, grey = 255 }: { readonly gap?: number; readonly grey?: number } = {}): Picture {
  const columns = Math.max(1, ...rows.map((row) => row.length));
  const largest = (side: 'width' | 'height'): number => Math.max(1, ...rows.flat().map((picture) => picture[side]));
  const [cellWidth, cellHeight] = [largest('width'), largest('height')];
  const width = columns * (cellWidth + gap) + gap;
  const height = rows.length * (cellHeight + gap) + gap;
  const data = new Uint8Array(width * height * 3).fill(grey);
  rows.forEach((row, rowIndex) => {
    row.forEach((picture, columnIndex) => {
      for (let y = 0; y < picture.height; y += 1) {
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

/** A picture file, resized and cropped around its centre to the given size, or as it is. @throws TesseraeError `image-invalid`. */
export async function readPicture(path: string, size?: PictureSize): Promise<Picture> {
  const sharp = await loadSharp();
  try {
    const image = sharp(path).rotate().flatten({ background: '#ffffff' }).removeAlpha().toColourspace('srgb');
    const sized = size === undefined ? image : image.resize(size.width, size.height, { fit: 'cover' });
    const { data, info } = await sized.raw().toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, data: new Uint8Array(data) };
  } catch (cause) {
    throw new TesseraeError('image-invalid', `${path} cannot be read as a picture: ${cause instanceof Error ? cause.message : String(cause)}.`, {
      remedy: 'Use a PNG, JPEG or WebP file.',
      cause,
    });
  }
}

/** The middle of a picture, as much of it as whole codes of `code`×`code` pixels cover. @throws TesseraeError `image-invalid` when it is smaller than one. */
export function cropToCodes(picture: Picture, code: number, name: string): Picture {
  const covered = (length: number): readonly [number, number] => {
    const rest = length % code;
    const start = Math.floor(rest / 2);
    return [start, start + length - rest];
  };
  if (picture.width < code || picture.height < code) {
    throw new TesseraeError('image-invalid', `${name} has ${picture.width}×${picture.height} pixels, less than a code of ${code}×${code}.`, {
      remedy: `Use a larger picture, or let it be resized: --size ${8 * code}x${8 * code}.`,
    });
  }
  return cropPicture(picture, covered(picture.height), covered(picture.width));
}
