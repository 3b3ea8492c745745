import type { PlateauSchedule, Schedule } from '@tesserae/core';

const digits = (value: number): string => String(Number(value.toPrecision(3)));

/** A schedule in a few words: `1 → 0.0625 in 500 updates`. */
export function describeSchedule(schedule: Schedule | PlateauSchedule): string {
  switch (schedule.kind) {
    case 'constant':
      return digits(schedule.value);
    case 'cosine':
      return `${digits(schedule.from)} → ${digits(schedule.to)} in ${schedule.steps} updates`;
    case 'warmup-cosine':
      return `0 → ${digits(schedule.peak)} in ${schedule.warmup}, → ${digits(schedule.final)} in ${schedule.steps} updates`;
    case 'warmup-plateau':
      return `0 → ${digits(schedule.peak)} in ${schedule.warmup}, halved after ${schedule.window} updates without improvement, ${schedule.halvings} times at most`;
    default:
      return schedule satisfies never;
  }
}

const isSchedule = (value: unknown): value is Schedule | PlateauSchedule =>
  typeof value === 'object' && value !== null && 'kind' in value && ['constant', 'cosine', 'warmup-cosine', 'warmup-plateau'].includes(String(value.kind));

/** What changes with the step, and what decides how steps are taken, on one line. Everything else is in the part's training.json. */
export function describeRecipe(recipe: { readonly steps: number; readonly batch: number; readonly accumulate?: number; readonly objective?: object }): string {
  const schedules = Object.entries({ ...recipe, ...recipe.objective }).flatMap(([name, value]) => (isSchedule(value) ? [`${name} ${describeSchedule(value)}`] : []));
  const batches = recipe.accumulate === undefined ? `${recipe.batch}` : `${recipe.accumulate} × ${recipe.batch}`;
  return [`${recipe.steps} updates of ${batches}`, ...schedules].join('; ');
}
