// Draws docs/pictures/attention-patterns.svg from the masks themselves:
// node --conditions=tesserae-source --import tsx scripts/attention-pictures.ts
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { imagePattern, jointMask } from '../packages/transformer/src/attention-patterns.js';
import { type AttentionPattern, type PriorConfiguration, patternNames } from '../packages/transformer/src/configuration.js';

export const picturePath = new URL('../docs/pictures/attention-patterns.svg', import.meta.url);

/** Small enough to count: a start token and three text tokens before 8×8 image tokens, kernels of 5. */
const shown: PriorConfiguration = {
  kind: 'prior',
  width: 1,
  layers: 1,
  heads: 1,
  textVocabularySize: 1,
  textLength: 3,
  grid: { rows: 8, columns: 8 },
  codebookSize: 1,
  attention: 'full',
  convolutionKernel: 5,
};
const prefix = shown.textLength + 1;
const length = prefix + 64;
/** Sixth row, fifth column: far enough from the edges for every pattern. */
const query = 5 * 8 + 4;

const cell = 3;
const gap = 12;
const panel = length * cell;
const side = panel / 2;
const rowHeight = panel + 24 + gap;
const columns = 2;
const columnWidth = panel + gap + side + 2 * gap;

const colours = { text: '#8fa3b8', image: '#2f6db3', token: '#d9482b', empty: '#eef1f4', ink: '#333' } as const;

/** The cells of each colour as one path, neighbours in a row as one rectangle; cells come row by row. */
function paths(cells: readonly { readonly x: number; readonly y: number; readonly colour: string }[], size: number): string {
  const byColour = new Map<string, { x: number; y: number; length: number }[]>();
  for (const { x, y, colour } of cells) {
    const runs = byColour.get(colour) ?? [];
    const last = runs.at(-1);
    if (last !== undefined && last.y === y && last.x + last.length === x) last.length += 1;
    else runs.push({ x, y, length: 1 });
    byColour.set(colour, runs);
  }
  const rectangles = (runs: readonly { readonly x: number; readonly y: number; readonly length: number }[]): string =>
    runs.map((run) => `M${run.x * size} ${run.y * size}h${run.length * size}v${size}h${-run.length * size}z`).join('');
  return Array.from(byColour, ([colour, runs]) => `<path fill="${colour}" d="${rectangles(runs)}"/>`).join('');
}

/** Queries down, keys to the right. */
function maskPanel(pattern: AttentionPattern): string {
  const { data } = jointMask(shown, pattern, 64);
  const cells = Array.from(data, (value, index) => ({ value, x: index % length, y: Math.floor(index / length) })).filter(({ value }) => value === 1);
  return paths(
    cells.map(({ x, y }) => ({ x, y, colour: x === y && x >= prefix ? colours.token : x < prefix ? colours.text : colours.image })),
    cell,
  );
}

/** The picture's tokens as one of them sees them. */
function viewPanel(pattern: AttentionPattern): string {
  const looks = imagePattern(pattern, shown);
  const size = side / 8;
  const cells = Array.from({ length: 64 }, (_, key) => ({
    x: key % 8,
    y: Math.floor(key / 8),
    colour: key === query ? colours.token : looks(query, key) ? colours.image : colours.empty,
  }));
  return `${paths(cells, size)}<path stroke="#fff" d="${Array.from({ length: 7 }, (_, line) => `M${(line + 1) * size} 0v${side}M0 ${(line + 1) * size}h${side}`).join('')}"/>`;
}

/** All patterns: name, mask, and what one token sees. */
export function drawPatterns(): string {
  const patterns = Object.keys(patternNames) as AttentionPattern[];
  const rows = Math.ceil(patterns.length / columns);
  const places = patterns.map((pattern, index) => {
    const x = gap + (index % columns) * columnWidth;
    const y = Math.floor(index / columns) * rowHeight;
    return [
      `<g transform="translate(${x} ${y})"><text y="17">${pattern}</text>`,
      `<g transform="translate(0 24)"><rect width="${panel}" height="${panel}" fill="${colours.empty}"/>${maskPanel(pattern)}</g>`,
      `<g transform="translate(${panel + gap} 24)">${viewPanel(pattern)}</g></g>`,
    ].join('\n');
  });
  const [width, height] = [gap + columns * columnWidth, rows * rowHeight];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="14" fill="${colours.ink}">`,
    '<title>Attention patterns: the mask of each, and what one image token sees</title>',
    '<rect width="100%" height="100%" fill="#fff"/>',
    ...places,
    '</svg>',
    '',
  ].join('\n');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) writeFileSync(picturePath, drawPatterns());
