import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Backend, type Picture, sizeOf } from '@tesserae/core';
import { openModelFolder, writeFileAtomically } from '@tesserae/core/node';
import { architectureOf, codebookUsage, createImageTokenizer, imageTokenizerParameters, parseImageTokenizerConfiguration } from '@tesserae/dvae';
import { codebookPictures, codebookSheet, sheetColumns } from '../codebook/codebook-pictures.js';
import { byUse, countCodes } from '../codebook/count-codes.js';
import { peakSignalToNoise, type Reconstruction, reconstructPictures } from '../evaluation/reconstruct-pictures.js';
import { readPicture } from '../pictures.js';
import type { Output } from '../terminal/output.js';
import { curvesOf } from '../training/curves.js';
import { samplePromptsFile, sampleSheet, updatesOfSheet } from '../training/sample-pictures.js';
import { describeThroughput } from '../training/throughput.js';
import { readThroughput } from '../training/throughput-file.js';
import { dataUrls } from './data-urls.js';
import { relaxedPictures, shownTemperatures } from './relaxed-pictures.js';
import { type PagePicture, reportPage, type TokenizerReport } from './report-page.js';

/** Pictures shown at every temperature. */
const sampledPictures = 6;
const worstPictures = 6;
/** Pictures that are reconstructed for the worst of them and for the use of the codes. */
export const measuredPictures = 256;

/** Phases of stage one in their order; others that left metrics come after them. */
const phases = ['image-tokenizer-warm-up', 'image-tokenizer', 'decoder'];
/** Stage two. */
const otherPhases = new Set(['prior']);

async function trainingsOf(folder: string): Promise<TokenizerReport['trainings']> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => !otherPhases.has(name)).sort();
  const ordered = [...phases.filter((name) => names.includes(name)), ...names.filter((name) => !phases.includes(name))];
  const trainings: { name: string; curves: ReturnType<typeof curvesOf> }[] = [];
  for (const name of ordered) {
    const lines = await readFile(join(folder, name, 'metrics.jsonl'), 'utf8').catch(() => '');
    const curves = curvesOf(lines);
    const throughput = await readThroughput(join(folder, name));
    if (curves.length > 0) trainings.push({ name: `${name.replaceAll('-', ' ')}${throughput === undefined ? '' : `: ${describeThroughput(throughput)}`}`, curves });
  }
  return trainings;
}

const decibels = (psnr: number): string => (Number.isFinite(psnr) ? `${psnr.toFixed(2)} dB` : 'exact');

/** PSNR of the mean squared error of all pictures, as training measures it. */
function meanPsnr(made: readonly Reconstruction[]): number {
  return -10 * Math.log10(made.reduce((sum, { psnr }) => sum + 10 ** (-psnr / 10), 0) / made.length);
}

export interface ReportOptions {
  readonly modelFolder: string;
  /** Pictures of the training size with their names; the first few are shown. May be none: then curves, codebook and recipe are. */
  readonly pictures: readonly { readonly name: string; readonly picture: Picture }[];
  readonly file: string;
  readonly backend: Backend;
  readonly output: Output;
  readonly signal: AbortSignal;
}

/** Sheets of samples on the page, the first and the last among them. */
const shownSheets = 5;

/** What the prior drew on its way, as far as it was asked to (`samplePictures`). */
async function samplesOf(
  folder: string,
): Promise<{ readonly prompts: readonly string[]; readonly sheets: readonly { readonly name: string; readonly picture: Picture }[] } | undefined> {
  const updates = (await readdir(folder).catch(() => [])).flatMap((name) => updatesOfSheet(name) ?? []).sort((one, other) => one - other);
  const noted: unknown = JSON.parse(await readFile(join(folder, samplePromptsFile), 'utf8').catch(() => '{}'));
  if (updates.length === 0 || typeof noted !== 'object' || noted === null || !('prompts' in noted) || !Array.isArray(noted.prompts)) return undefined;
  const last = updates.length - 1;
  const places = new Set(Array.from({ length: shownSheets }, (_, index) => Math.round((index * last) / (shownSheets - 1))));
  const sheets: { name: string; picture: Picture }[] = [];
  for (const place of places) {
    const at = updates[place] ?? 0;
    sheets.push({ name: `after ${at} updates`, picture: await readPicture(join(folder, sampleSheet(at))) });
  }
  return { prompts: noted.prompts.map(String), sheets };
}

/** Writes the page that shows an image tokenizer: what it does to pictures, its codebook and its use, how it was trained. */
export async function writeReport(options: ReportOptions): Promise<{ readonly file: string; readonly bytes: number }> {
  const { modelFolder, file, backend, output, signal } = options;
  const model = await openModelFolder(modelFolder);
  const configuration = parseImageTokenizerConfiguration(await model.readJson('imageTokenizer', 'config.json'));
  const weights = await model.openWeights('imageTokenizer');
  const noted = model.index.parts.imageTokenizer?.sha256['training.json'] === undefined ? undefined : await model.readJson('imageTokenizer', 'training.json');
  const tokenizer = createImageTokenizer({ configuration, weights, backend, batch: 16 });
  try {
    const measured = options.pictures.slice(0, measuredPictures);
    const bar = output.progress('reconstructing', measured.length, 'pictures');
    const made = await reconstructPictures(
      tokenizer,
      measured.map(({ picture }) => picture),
      { signal, onProgress: (done) => bar.update(done) },
    ).finally(() => bar.end());
    const nameOf = (index: number): string => measured[index]?.name ?? `picture ${index + 1}`;
    const sampled = made.slice(0, sampledPictures);
    const relaxed = await relaxedPictures(
      sampled.map(({ original }) => original),
      { configuration, weights, backend, signal },
    );
    const worst = made
      .map((reconstruction, index) => ({ reconstruction, name: nameOf(index) }))
      .sort((one, other) => one.reconstruction.psnr - other.reconstruction.psnr)
      .slice(0, worstPictures);
    const sheet = codebookSheet(await codebookPictures(tokenizer, { output, signal }));

    // Encoded together: they share the page's size.
    const shown: { readonly picture: Picture; readonly alt: string }[] = [];
    const show = (picture: Picture, alt: string): (() => PagePicture) => {
      const place = shown.push({ picture, alt }) - 1;
      return () => ({ url: urls[place] ?? '', width: picture.width, height: picture.height, alt });
    };
    const rows = sampled.map(({ original, again, psnr }, index) => ({
      captions: [nameOf(index), ...(relaxed?.[index] ?? []).map((picture) => decibels(peakSignalToNoise(original, picture))), decibels(psnr)],
      places: [
        show(original, `${nameOf(index)}, original`),
        ...(relaxed?.[index] ?? []).map((picture, at) => show(picture, `${nameOf(index)}, decoded from the relaxed codes at temperature ${shownTemperatures[at]?.name}`)),
        show(again, `${nameOf(index)}, decoded from its codes, PSNR ${decibels(psnr)}`),
      ],
    }));
    const worstShown = worst.map(({ name, reconstruction: { original, again, psnr } }) => ({
      caption: `${name}, ${decibels(psnr)}`,
      original: show(original, `${name}, original`),
      again: show(again, `${name}, decoded from its codes, PSNR ${decibels(psnr)}`),
    }));
    const drawn = await samplesOf(join(modelFolder, 'training', 'prior'));
    const sheets = (drawn?.sheets ?? []).map(({ name, picture }) => ({ name, place: show(picture, `Samples of the prior ${name}, a row a prompt: ${drawn?.prompts.join('; ')}`) }));
    const columns = sheetColumns(tokenizer.codebookSize);
    const codebook = show(sheet, `All ${tokenizer.codebookSize} codes, each decoded alone, ${columns} a row`);
    const urls = await dataUrls(shown.map(({ picture }) => picture));

    const counts = countCodes(
      made.map(({ codes }) => codes),
      tokenizer.codebookSize,
    );
    const { used, perplexity } = codebookUsage(counts);
    const { downsampling, grid, codebookSize } = tokenizer;
    const parameters = Array.from(imageTokenizerParameters(configuration).values(), ({ shape }) => sizeOf(shape)).reduce((sum, size) => sum + size, 0);
    const looksSoFar = architectureOf(configuration).reach === undefined ? 'the whole picture' : 'its surroundings';
    const recipe = typeof noted === 'object' && noted !== null && 'recipe' in noted ? noted.recipe : { configuration };
    const page = reportPage(`Image tokenizer: ${configuration.kind}`, {
      summary: [
        ['codes', `${codebookSize}, of ${downsampling}×${downsampling} pixels; ${grid.rows}×${grid.columns} a picture of the training size; each looks at ${looksSoFar}`],
        ['parameters', parameters.toLocaleString('en')],
        ...(made.length === 0
          ? []
          : ([
              ['PSNR', `${decibels(meanPsnr(made))} over ${made.length} pictures`],
              ['codes in use', `${used} of ${codebookSize}, perplexity ${perplexity.toFixed(1)}`],
            ] as const)),
      ],
      trainings: await trainingsOf(join(modelFolder, 'training')),
      ...(drawn === undefined ? {} : { samples: { prompts: drawn.prompts, sheets: sheets.map(({ name, place }) => ({ name, picture: place() })) } }),
      ...(made.length === 0
        ? {}
        : {
            reconstructions: {
              columns: ['original', ...(relaxed === undefined ? [] : shownTemperatures.map(({ name }) => `relaxed, τ = ${name}`)), 'codes'],
              rows: rows.map(({ captions, places }) => ({ captions, pictures: places.map((place) => place()) })),
              note:
                relaxed === undefined
                  ? 'Pictures and what their codes hold of them.'
                  : 'Relaxed: what the decoder sees in training, a mixture of codes with Gumbel noise at temperature τ. Codes: the most likely one at each place, without noise, which is what counts.',
            },
            usage: {
              counts: byUse(counts).map(({ count }) => count),
              note: `${used} of ${codebookSize} codes occur in ${made.length} pictures; perplexity ${perplexity.toFixed(1)}: as varied as that many codes used alike.`,
            },
          }),
      worst: worstShown.map(({ caption, original, again }) => ({ caption, original: original(), again: again() })),
      codebook: { picture: codebook(), note: `Each code decoded alone among its like, code 0 at the top left, ${columns} a row.` },
      recipe,
    });
    await writeFileAtomically(file, page);
    return { file, bytes: Buffer.byteLength(page) };
  } finally {
    tokenizer.dispose();
  }
}
