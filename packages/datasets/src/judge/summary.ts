import type { SceneVerdict } from './verdict.js';

/** How many of how many were right. */
export interface Rate {
  readonly right: number;
  readonly of: number;
  /** `right / of`; undefined when nothing was promised. */
  readonly rate: number | undefined;
}

export interface VerdictRates {
  readonly pictures: number;
  /** Of the promised objects. */
  readonly colour: Rate;
  /** Of the promised objects. */
  readonly shape: Rate;
  /** Of the promised objects whose size the promise says. */
  readonly size: Rate;
  /** Of the pictures: the place of one object, the relation of two. */
  readonly place: Rate;
  /** Of the pictures whose background the promise says. */
  readonly background: Rate;
  /** Of the pictures: as many objects as promised. */
  readonly objectCount: Rate;
  /** Of the pictures: everything right, nothing extra. */
  readonly allRight: Rate;
}

export interface VerdictSummary {
  readonly all: VerdictRates;
  /** Pictures that promise one object. */
  readonly one: VerdictRates;
  /** Pictures that promise two. */
  readonly two: VerdictRates;
}

function rateOf(outcomes: readonly (boolean | undefined)[]): Rate {
  const said = outcomes.filter((outcome) => outcome !== undefined);
  const right = said.filter((outcome) => outcome).length;
  return { right, of: said.length, rate: said.length === 0 ? undefined : right / said.length };
}

function ratesOf(verdicts: readonly SceneVerdict[]): VerdictRates {
  const objects = verdicts.flatMap((verdict) => verdict.objects);
  return {
    pictures: verdicts.length,
    colour: rateOf(objects.map(({ colour }) => colour)),
    shape: rateOf(objects.map(({ shape }) => shape)),
    size: rateOf(objects.map(({ size }) => size)),
    place: rateOf(verdicts.map(({ place }) => place)),
    background: rateOf(verdicts.map(({ background }) => background)),
    objectCount: rateOf(verdicts.map(({ found, promised }) => found.objects.length === promised.objects.length)),
    allRight: rateOf(verdicts.map(({ allRight }) => allRight)),
  };
}

/** Rates over many judged pictures, in all and apart for pictures that promise one object and two. */
export function summariseVerdicts(verdicts: readonly SceneVerdict[]): VerdictSummary {
  return {
    all: ratesOf(verdicts),
    one: ratesOf(verdicts.filter(({ promised }) => promised.objects.length === 1)),
    two: ratesOf(verdicts.filter(({ promised }) => promised.objects.length === 2)),
  };
}
