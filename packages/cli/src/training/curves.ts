import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomically } from '@tesserae/core/node';

export interface Curve {
  readonly name: string;
  readonly points: readonly (readonly [step: number, value: number])[];
}

const panel = { width: 360, height: 200, left: 56, right: 12, top: 28, bottom: 24 } as const;
const panelColumns = 2;
/** Points drawn a curve; more are averaged, which also calms the noise of single batches. */
const drawnPoints = 200;

/** The metrics of a training by name, from the lines of its `metrics.jsonl`. Lines that are cut off are passed over. */
export function curvesOf(lines: string): Curve[] {
  const curves = new Map<string, [number, number][]>();
  for (const line of lines.split('\n')) {
    let entry: unknown;
    try {
      entry = JSON.parse(line);
    } catch {
      continue;
    }
    if (typeof entry !== 'object' || entry === null || !('step' in entry) || typeof entry.step !== 'number') continue;
    const { step } = entry;
    for (const [name, value] of Object.entries(entry)) {
      if (name === 'step' || name === 'milliseconds' || typeof value !== 'number' || !Number.isFinite(value)) continue;
      const points = curves.get(name) ?? [];
      curves.set(name, points);
      points.push([step, value]);
    }
  }
  return Array.from(curves, ([name, points]) => ({ name, points: points.sort(([a], [b]) => a - b) }));
}

function averaged(points: Curve['points']): Curve['points'] {
  const size = Math.ceil(points.length / drawnPoints);
  const groups: (readonly [number, number])[] = [];
  for (let start = 0; start < points.length; start += size) {
    const group = points.slice(start, start + size);
    const mean = (index: 0 | 1): number => group.reduce((sum, point) => sum + point[index], 0) / group.length;
    groups.push([mean(0), mean(1)]);
  }
  return groups;
}

function drawPanel({ name, points }: Curve, index: number): string {
  const shown = averaged(points);
  const [xs, ys] = [shown.map(([step]) => step), shown.map(([, value]) => value)];
  const [first, last, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const place = (value: number, from: number, to: number, start: number, end: number): string => (start + ((value - from) / (to - from || 1)) * (end - start)).toFixed(1);
  const x = (step: number): string => place(step, first, last, panel.left, panel.width - panel.right);
  const y = (value: number): string => place(value, low, high, panel.height - panel.bottom, panel.top);
  const label = (value: number): string => (value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(2) : value.toPrecision(3));
  return [
    `<g transform="translate(${(index % panelColumns) * panel.width} ${Math.floor(index / panelColumns) * panel.height})">`,
    `<text x="${panel.left}" y="18" font-weight="bold">${escapeMarkup(name)}</text>`,
    `<path d="M${panel.left} ${panel.top}V${panel.height - panel.bottom}H${panel.width - panel.right}" fill="none" stroke="#999"/>`,
    `<text x="${panel.left - 6}" y="${panel.top + 4}" text-anchor="end">${label(high)}</text>`,
    `<text x="${panel.left - 6}" y="${panel.height - panel.bottom}" text-anchor="end">${label(low)}</text>`,
    `<text x="${panel.width - panel.right}" y="${panel.height - 8}" text-anchor="end">${Math.round(last)}</text>`,
    `<polyline points="${shown.map(([step, value]) => `${x(step)},${y(value)}`).join(' ')}" fill="none" stroke="#3b78e7" stroke-width="1.5"/>`,
    '</g>',
  ].join('');
}

/** Text inside HTML and SVG, and inside their quoted attributes. */
export function escapeMarkup(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/**
 * The curves as one SVG picture, a panel each, ready for a web page or a model card. Without a `background` it takes the text colour of the page
 * that it stands in.
 */
export function drawCurves(
  curves: readonly Curve[],
  { background = 'white', label = 'Curves of a training' }: { readonly background?: 'white' | 'none'; readonly label?: string } = {},
): string {
  const [width, height] = [panel.width * panelColumns, panel.height * Math.max(1, Math.ceil(curves.length / panelColumns))];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11" fill="currentColor" role="img" aria-label="${escapeMarkup(label)}">`,
    ...(background === 'none' ? [] : [`<rect width="${width}" height="${height}" fill="${background}"/>`]),
    ...curves.map(drawPanel),
    '</svg>\n',
  ].join('\n');
}

/** Draws a training's `metrics.jsonl` beside it, as `curves.svg`. */
export async function writeCurves(folder: string): Promise<void> {
  await writeFileAtomically(join(folder, 'curves.svg'), drawCurves(curvesOf(await readFile(join(folder, 'metrics.jsonl'), 'utf8'))));
}
