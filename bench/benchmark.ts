import type { Backend } from '@tesserae/core';
import { type Spread, spreadOf } from './measure.js';
import type { OperatorProfile } from './profile.js';

/** One number of a report with its spread over the rounds. */
export interface Figure extends Spread {
  readonly name: string;
  /** `GFLOP/s`, `tokens/s`, …; a ratio is in `%`. */
  readonly unit: string;
  readonly rounds: readonly number[];
  /** What the median should reach. */
  readonly target?: number;
  /** What the median should not exceed. */
  readonly limit?: number;
}

export interface Report {
  /** What was run, with the sizes that decide the numbers. */
  readonly setting: string;
  readonly figures: readonly Figure[];
  /** Where the time of one run goes, by graph. */
  readonly profiles?: readonly OperatorProfile[];
}

export interface BenchmarkContext {
  readonly backend: Backend;
  readonly rounds: number;
  /** The same engine with a profile: files that begin with this path. */
  readonly openProfiled: (profile: string) => Promise<Backend>;
}

export interface Benchmark {
  readonly name: string;
  readonly summary: string;
  /** Rounds that keep it below a minute or two on two cores. */
  readonly rounds: number;
  run(context: BenchmarkContext): Promise<Report>;
}

/** A figure from one value a round. */
export function figure(name: string, unit: string, rounds: readonly number[], target?: number): Figure {
  return { name, unit, ...spreadOf(rounds), rounds, ...(target === undefined ? {} : { target }) };
}

/** The same for what should be small. */
export function cost(name: string, unit: string, rounds: readonly number[], limit?: number): Figure {
  return { ...figure(name, unit, rounds), ...(limit === undefined ? {} : { limit }) };
}

/** `amount` of something in the seconds of each round. */
export function rates(amount: number, seconds: readonly number[]): number[] {
  return seconds.map((taken) => amount / taken);
}

/** One side of a ratio by the other in percent, round by round: both were measured next to each other. */
export function shares(part: readonly number[], whole: readonly number[]): number[] {
  return part.map((value, round) => (100 * value) / (whole[round] ?? Number.NaN));
}
