import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';

const inks = { red: [200, 40, 40], green: [40, 160, 60], blue: [40, 60, 200], yellow: [240, 210, 40] } as const;

/** A small folder of own pictures with captions, nothing like the scenes: stripes in two directions. */
export async function writeStripes(folder: string, count = 12): Promise<void> {
  await mkdir(folder, { recursive: true });
  const names = Object.keys(inks) as (keyof typeof inks)[];
  for (let index = 0; index < count; index += 1) {
    const name = names[index % names.length] ?? 'red';
    const upright = index % 2 === 0;
    const data = new Uint8Array(40 * 24 * 3).fill(250);
    for (let pixel = 0; pixel < 40 * 24; pixel += 1) {
      const along = upright ? pixel % 40 : Math.floor(pixel / 40);
      if (Math.floor((along + index) / 4) % 2 === 0) data.set(inks[name], pixel * 3);
    }
    const stem = join(folder, `picture ${index}`);
    await sharp(data, { raw: { width: 40, height: 24, channels: 3 } }).png().toFile(`${stem}.png`);
    await writeFile(`${stem}.txt`, `${name} stripes, ${upright ? 'upright' : 'lying'}\n`);
  }
}
