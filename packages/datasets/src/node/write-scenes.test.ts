import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSceneJudge } from '../judge/index.js';
import { drawScene } from '../scenes/draw.js';
import { sampleExample } from '../scenes/sample.js';
import { loadImages, openFolder } from './folder.js';
import { writeScenes } from './write-scenes.js';

let parent = '';
let folder = '';
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'tesserae-test-'));
  folder = join(parent, 'scenes');
});
afterEach(() => rm(parent, { recursive: true, force: true }));

async function contents(of: string = folder): Promise<Record<string, string>> {
  const names = (await readdir(of)).sort();
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, (await readFile(join(of, name))).toString('base64')] as const)));
}

describe('writeScenes', () => {
  it('writes pictures, captions and the recipe, and nothing else', async () => {
    const progress: number[] = [];
    const result = await writeScenes(folder, { count: 6, seed: 3, onProgress: ({ done, total }) => progress.push(done / total) });
    expect(result).toEqual({ count: 6, kept: 0 });
    expect((await readdir(folder)).sort()).toEqual([...Array.from({ length: 6 }, (_, index) => `00000${index}.png`), 'captions.jsonl', 'scenes.json']);
    expect(JSON.parse(await readFile(join(folder, 'scenes.json'), 'utf8'))).toEqual({ scenes: 'v1', seed: 3, split: 'train', size: 64, kind: 'both' });
    const lines = (await readFile(join(folder, 'captions.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual(Array.from({ length: 6 }, (_, index) => ({ file: `00000${index}.png`, ...sampleExample(3, 'train', index) })));
    expect(progress).toEqual([1, 2, 3, 4, 5, 6].map((done) => done / 6));
  });

  it('writes what openFolder and loadImages read back, pixel by pixel', async () => {
    await writeScenes(folder, { count: 5, split: 'zeroshot', kind: 'two', size: 32 });
    const opened = await openFolder(folder);
    expect(opened.skipped).toEqual([]);
    const { examples, pixels } = await loadImages(opened, { size: 32 });
    const judge = createSceneJudge();
    pixels.forEach((data, index) => {
      const { scene, caption } = sampleExample(0, 'zeroshot', index, { kind: 'two' });
      expect(examples[index]?.captions).toEqual([caption]);
      expect(data).toEqual(drawScene(scene, 32).data);
      expect(judge({ width: 32, height: 32, data }, scene).allRight).toBe(true);
    });
  });

  it('goes on where it was interrupted, and draws half-written pictures again', async () => {
    const controller = new AbortController();
    const interrupted = writeScenes(folder, { count: 30, signal: controller.signal, onProgress: ({ done }) => done === 8 && controller.abort(new Error('interrupted')) });
    await expect(interrupted).rejects.toThrow('interrupted');
    const there = (await readdir(folder)).filter((name) => name.endsWith('.png'));
    expect(there.length).toBeGreaterThanOrEqual(8);
    expect(there.length).toBeLessThan(30);
    expect(await readdir(folder)).not.toContain('captions.jsonl');
    const [broken = ''] = there;
    const whole = await readFile(join(folder, broken));
    await writeFile(join(folder, broken), whole.subarray(0, whole.length - 20));
    const [, untouched = ''] = there;
    const before = await stat(join(folder, untouched));

    const result = await writeScenes(folder, { count: 30 });
    expect(result).toEqual({ count: 30, kept: there.length - 1 });
    expect(await readFile(join(folder, broken))).toEqual(whole);
    expect((await stat(join(folder, untouched))).mtimeMs).toBe(before.mtimeMs);
    await writeScenes(join(parent, 'at-once'), { count: 30 });
    expect(await contents()).toEqual(await contents(join(parent, 'at-once')));
  });

  it('extends a folder, and a smaller count takes nothing away', async () => {
    await writeScenes(folder, { count: 3 });
    expect(await writeScenes(folder, { count: 6 })).toEqual({ count: 6, kept: 3 });
    const six = await contents();
    expect(await writeScenes(folder, { count: 2 })).toEqual({ count: 2, kept: 2 });
    expect(await contents()).toEqual(six);
  });

  it('refuses a folder of another recipe, and touches nothing there', async () => {
    await writeScenes(folder, { count: 2, seed: 1 });
    const before = await contents();
    for (const other of [{ seed: 2 }, { seed: 1, split: 'zeroshot' }, { seed: 1, size: 32 }, { seed: 1, kind: 'one' }] as const) {
      await expect(writeScenes(folder, { count: 4, ...other })).rejects.toMatchObject({ code: 'invalid-argument', details: { folder } });
    }
    expect(await contents()).toEqual(before);
  });

  it("refuses a folder with somebody else's captions", async () => {
    await writeFile(join(parent, 'captions.jsonl'), '{"file":"cat.png","caption":"a cat"}\n');
    await expect(writeScenes(parent, { count: 1 })).rejects.toMatchObject({ code: 'invalid-argument' });
    expect(await readdir(parent)).toEqual(['captions.jsonl']);
  });

  it('refuses bad numbers before it writes anything', async () => {
    for (const options of [{ count: 0 }, { count: 1.5 }, { count: 1, size: 8 }, { count: 1, size: 4096 }, { count: 1, seed: 0.1 }]) {
      await expect(writeScenes(folder, options)).rejects.toMatchObject({ code: 'invalid-argument' });
    }
    expect(await readdir(parent)).toEqual([]);
  });

  it('says so when the folder cannot be made', async () => {
    await writeFile(join(parent, 'file'), '');
    await expect(writeScenes(join(parent, 'file', 'scenes'), { count: 1 })).rejects.toMatchObject({ code: 'file-write-failed' });
  });
});
