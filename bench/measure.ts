/** Does its work once and tells the seconds of the part that counts. */
export type Contestant = () => Promise<number>;

/** The middle of several rounds and how far they lie apart. */
export interface Spread {
  readonly median: number;
  readonly minimum: number;
  readonly maximum: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  return { median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2, minimum: at(0), maximum: at(sorted.length - 1) };
}

/** Seconds that `work` takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

/**
 * Times all contestants once a round, in turns: what slows the machine for a while then slows both sides of a ratio.
 * Every other round goes backward, so that none always follows the same neighbour. Unmeasured rounds come first.
 * Gives the seconds of each round by name.
 */
export async function interleave<Name extends string>(
  contestants: Readonly<Record<Name, Contestant>>,
  rounds: number,
  warmUp = 1,
): Promise<Readonly<Record<Name, readonly number[]>>> {
  const names = Object.keys(contestants) as Name[];
  const seconds = Object.fromEntries(names.map((name): [string, number[]] => [name, []])) as Record<Name, number[]>;
  for (let round = -warmUp; round < rounds; round += 1) {
    for (const name of round % 2 === 0 ? names : [...names].reverse()) {
      const taken = await contestants[name]();
      if (round >= 0) seconds[name].push(taken);
    }
  }
  return seconds;
}
