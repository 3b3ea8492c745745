import { type Curve, drawCurves, escapeMarkup } from '../training/curves.js';

/** A picture inside the page. */
export interface PagePicture {
  readonly url: string;
  readonly width: number;
  readonly height: number;
  /** What it shows, for those who do not see it. */
  readonly alt: string;
}

export interface TokenizerReport {
  /** Figures of the whole, in order: name and value. */
  readonly summary: readonly (readonly [name: string, value: string])[];
  /** What the prior drew while it was trained: a sheet a moment, whose rows are the prompts. */
  readonly samples?: { readonly prompts: readonly string[]; readonly sheets: readonly { readonly name: string; readonly picture: PagePicture }[] };
  /** The phases of the training with their metrics. */
  readonly trainings: readonly { readonly name: string; readonly curves: readonly Curve[] }[];
  /** What the columns of the reconstructions are, and a row a picture. */
  readonly reconstructions?: {
    readonly columns: readonly string[];
    readonly rows: readonly { readonly pictures: readonly PagePicture[]; readonly captions: readonly string[] }[];
    readonly note: string;
  };
  readonly worst: readonly { readonly original: PagePicture; readonly again: PagePicture; readonly caption: string }[];
  /** How often each code was used, most used first. */
  readonly usage?: { readonly counts: readonly number[]; readonly note: string };
  readonly codebook: { readonly picture: PagePicture; readonly note: string };
  /** What decided the weights, as JSON. */
  readonly recipe?: unknown;
}

/** Pictures are drawn at least this wide and at most at that width, in CSS pixels. */
const [smallestWidth, largestWidth] = [96, 256];

const style = `
:root { color-scheme: light dark; --ground: #ffffff; --ink: #1c1e21; --faint: #62666d; --line: #d5d8dd; --mark: #3b78e7; }
@media (prefers-color-scheme: dark) { :root { --ground: #15171a; --ink: #e8eaed; --faint: #a3a8b0; --line: #3a3e45; } }
body { background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-bottom: 1px solid var(--line); } h3 { font-size: 1rem; }
p, small, figcaption, th { color: var(--faint); } th { font-weight: 600; text-align: left; } th, td { padding: 0.2rem 0.8rem 0.2rem 0; vertical-align: top; }
figure { display: inline-block; margin: 0 1rem 1rem 0; } small, figcaption { font-size: 0.85rem; }
img { image-rendering: pixelated; outline: 1px solid var(--line); max-width: 100%; display: block; } .pair { display: flex; gap: 0.4rem; } .wide { overflow-x: auto; }
svg { max-width: 100%; height: auto; } pre { overflow-x: auto; border: 1px solid var(--line); padding: 0.8rem; font-size: 0.85rem; }
`;

/** Small pictures are enlarged by whole pixels. */
function displayWidth(width: number): number {
  return width >= largestWidth ? largestWidth : width * Math.max(1, Math.round(smallestWidth / width));
}

/** The largest whole multiple of a width that is at most `most`, and at least the width. */
const wholeTimes = (width: number, most: number): number => width * Math.max(1, Math.floor(most / width));

function image({ url, width, height, alt }: PagePicture, shown = displayWidth(width)): string {
  return `<img src="${url}" width="${shown}" height="${Math.round((shown * height) / width)}" alt="${escapeMarkup(alt)}"/>`;
}

/** Bars side by side, as one step line filled to the ground; their heights are logarithms, as a few codes are used far more than the rest. */
export function drawUsage(counts: readonly number[], label: string): string {
  const [width, height, left, bottom, top] = [720, 200, 56, 24, 10];
  const highest = Math.max(1, ...counts);
  const bar = (width - left - 10) / Math.max(1, counts.length);
  const ground = height - bottom;
  const steps = counts
    .map((count, index) => `V${(ground - (Math.log1p(count) / Math.log1p(highest)) * (ground - top)).toFixed(1)}H${(left + (index + 1) * bar).toFixed(1)}`)
    .join('');
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11" fill="currentColor" role="img" aria-label="${escapeMarkup(label)}">`,
    `<path d="M${left} ${ground}${steps}V${ground}Z" fill="#3b78e7"/>`,
    `<path d="M${left} ${top}V${ground}H${width - 10}" fill="none" stroke="#999"/>`,
    `<text x="${left - 6}" y="${top + 8}" text-anchor="end">${highest}</text>`,
    `<text x="${left - 6}" y="${ground}" text-anchor="end">0</text>`,
    `<text x="${width - 10}" y="${height - 8}" text-anchor="end">${counts.length} codes, most used first; heights are logarithmic</text>`,
    '</svg>',
  ].join('\n');
}

function section(title: string, ...content: readonly string[]): string {
  return `<section>\n<h2>${escapeMarkup(title)}</h2>\n${content.join('\n')}\n</section>`;
}

const paragraph = (text: string): string => `<p>${escapeMarkup(text)}</p>`;

/** 0.0024000000000000002 → 0.0024. */
const shortNumbers = (_: string, value: unknown): unknown => (typeof value === 'number' ? Number(value.toPrecision(6)) : value);

/** One page that needs nothing else: no script, no file beside it, no network. Well-formed XML, in light and dark. */
export function reportPage(title: string, report: TokenizerReport): string {
  const { summary, samples, trainings, reconstructions, worst, usage, codebook, recipe } = report;
  const parts = [`<table>\n${summary.map(([name, value]) => `<tr><th scope="row">${escapeMarkup(name)}</th><td>${escapeMarkup(value)}</td></tr>`).join('\n')}\n</table>`];
  if (samples !== undefined) {
    const figures = samples.sheets.map(({ name, picture }) => `<figure>${image(picture, wholeTimes(picture.width, 320))}<figcaption>${escapeMarkup(name)}</figcaption></figure>`);
    const list = `<ol>\n${samples.prompts.map((prompt) => `<li>${escapeMarkup(prompt)}</li>`).join('\n')}\n</ol>`;
    parts.push(section('Samples of the prior', paragraph('Drawn with the same seed while it was trained. The rows were asked for:'), list, ...figures));
  }
  if (reconstructions !== undefined) {
    const { columns, rows, note } = reconstructions;
    const cells = rows.map(
      ({ pictures, captions }) => `<tr>${pictures.map((picture, index) => `<td>${image(picture)}<small>${escapeMarkup(captions[index] ?? '')}</small></td>`).join('')}</tr>`,
    );
    const head = `<tr>${columns.map((column) => `<th scope="col">${escapeMarkup(column)}</th>`).join('')}</tr>`;
    parts.push(section('Reconstructions', paragraph(note), `<div class="wide"><table>\n<thead>${head}</thead>\n<tbody>\n${cells.join('\n')}\n</tbody>\n</table></div>`));
  }
  if (worst.length > 0) {
    const figures = worst.map(
      ({ original, again, caption }) => `<figure><div class="pair">${image(original)}${image(again)}</div><figcaption>${escapeMarkup(caption)}</figcaption></figure>`,
    );
    parts.push(section('Worst reconstructions', paragraph('Originals at the left, what their codes hold at the right; the smallest PSNR first.'), ...figures));
  }
  if (usage !== undefined) parts.push(section('Use of the codebook', paragraph(usage.note), `<div class="wide">${drawUsage(usage.counts, usage.note)}</div>`));
  parts.push(section('The codebook', paragraph(codebook.note), image(codebook.picture, wholeTimes(codebook.picture.width, 640))));
  if (trainings.length > 0) {
    const curves = trainings.map(
      ({ name, curves: own }) => `<h3>${escapeMarkup(name)}</h3>\n<div class="wide">${drawCurves(own, { background: 'none', label: `Curves of ${name}` })}</div>`,
    );
    parts.push(section('Training', ...curves));
  }
  if (recipe !== undefined) parts.push(section('Recipe', `<pre>${escapeMarkup(JSON.stringify(recipe, shortNumbers, 2))}</pre>`));
  return [
    '<!DOCTYPE html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8"/>',
    '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
    `<title>${escapeMarkup(title)}</title>`,
    `<style>${style}</style>`,
    '</head>',
    '<body>',
    `<h1>${escapeMarkup(title)}</h1>`,
    ...parts,
    '</body>',
    '</html>',
    '',
  ].join('\n');
}
