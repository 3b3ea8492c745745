import type { Benchmark, Figure, Report } from './benchmark.js';
import { isBusy, type Machine } from './machine.js';
import type { OperatorProfile } from './profile.js';

function inDigits(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function goalOf({ unit, median, target, limit }: Figure): string {
  if (target !== undefined) return `   target ≥ ${inDigits(target)} ${unit}: ${median >= target ? 'reached' : 'missed'}`;
  return limit === undefined ? '' : `   target ≤ ${inDigits(limit)} ${unit}: ${median <= limit ? 'reached' : 'missed'}`;
}

function line(figure: Figure, width: number): string {
  const { name, unit, median, minimum, maximum } = figure;
  return `  ${name.padEnd(width)}  ${inDigits(median).padStart(7)} ${unit.padEnd(9)} (${inDigits(minimum)} … ${inDigits(maximum)})${goalOf(figure)}`;
}

/** Operators below this percentage are added up. */
const smallestShare = 1;

function profileLines({ graph, milliseconds, operators }: OperatorProfile): string[] {
  const shown = operators.filter(({ share }) => share >= smallestShare);
  const rest = operators.filter(({ share }) => share < smallestShare);
  const sum = (of: 'calls' | 'milliseconds' | 'share'): number => rest.reduce((total, operator) => total + operator[of], 0);
  const rows = rest.length === 0 ? shown : [...shown, { operator: `${rest.length} others`, calls: sum('calls'), milliseconds: sum('milliseconds'), share: sum('share') }];
  return [
    `  where the ${milliseconds.toFixed(0)} ms of ${graph.replaceAll('-', ' ')} go`,
    ...rows.map(({ operator, calls, milliseconds: own, share }) => `    ${operator.padEnd(24)} ${own.toFixed(1).padStart(8)} ms ${share.toFixed(1).padStart(5)} %  ${calls} calls`),
  ];
}

/** One benchmark's result for people: median, then smallest and largest of the rounds. */
export function formatReport({ name, summary }: Benchmark, machine: Machine, { setting, figures, profiles = [] }: Report): string {
  const width = Math.max(...figures.map((entry) => entry.name.length));
  return [
    `${name}: ${summary}`,
    `  ${machine.cpu}, ${machine.cores} cores; Node ${machine.node}; ${machine.engine}`,
    ...(isBusy(machine) ? [`  other work was running (load ${machine.load.toFixed(1)}): these times say little`] : []),
    `  ${setting}`,
    `  median (minimum … maximum) of ${figures[0]?.rounds.length ?? 0} rounds, sides in turns`,
    ...figures.map((entry) => line(entry, width)),
    ...profiles.flatMap(profileLines),
  ].join('\n');
}
