import sharp from 'sharp';
import { writeScenes } from '../node/index.js';
import { drawScene, sampleExample, splits } from './index.js';

const cols = 12,
  rows = 9,
  s = 64,
  g = 4;
const W = cols * (s + g),
  H = rows * (s + g);
const out = new Uint8Array(W * H * 3).fill(255);
for (let r = 0; r < rows; r++)
  for (let c = 0; c < cols; c++) {
    const ex = sampleExample(1, splits[Math.floor(r / 3)]!, (r % 3) * cols + c);
    if (c < 3) console.log(splits[Math.floor(r / 3)], ex.caption);
    const p = drawScene(ex.scene);
    for (let y = 0; y < s; y++) out.set(p.data.subarray(y * s * 3, (y + 1) * s * 3), ((r * (s + g) + y) * W + c * (s + g)) * 3);
  }
await sharp(out, { raw: { width: W, height: H, channels: 3 } })
  .resize(W * 2, H * 2, { kernel: 'nearest' })
  .png()
  .toFile('/tmp/sheet.png');
let t = Date.now();
for (let i = 0; i < 500; i++) drawScene(sampleExample(1, 'train', i).scene);
console.log('draw ms', (Date.now() - t) / 500);
t = Date.now();
await writeScenes('/tmp/scenes-try', { count: 500, seed: 3 });
console.log('write ms', (Date.now() - t) / 500);
t = Date.now();
console.log(await writeScenes('/tmp/scenes-try', { count: 600, seed: 3 }), Date.now() - t);
