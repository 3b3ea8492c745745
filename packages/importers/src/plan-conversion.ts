import { formatShape, type Shape, TesseraeError } from '@tesserae/core';
import type { CheckpointTensor } from './checkpoint.js';
import { families, familyNamed, recogniseFamily } from './families/families.js';
import type { Family, PartName, PartReading, PeerFile, ReadingContext, Transform, WeightName } from './families/family.js';
import { joinRows } from './join-rows.js';

/** A tensor on its way into a model. */
export interface PlannedTensor {
  /** The path of the parameter. */
  readonly path: string;
  readonly shape: Shape;
  readonly source: CheckpointTensor;
  readonly transform?: Transform;
}

export interface PlannedPart {
  readonly part: PartName;
  readonly family: string;
  /** The part's `config.json`. */
  readonly configuration: { readonly kind: string };
  /** Every weight that the configuration wants, in the order of their paths in the model. */
  readonly tensors: readonly PlannedTensor[];
  /** What lies in the files and is not needed, with the reason. */
  readonly ignored: readonly { readonly name: string; readonly reason: string }[];
  /** What no file said and was taken for granted, as sentences. */
  readonly assumed: readonly string[];
}

export interface PlanOptions extends Partial<ReadingContext> {
  /** The name of a family, in place of recognising it. */
  readonly family?: string | undefined;
}

/** The first few of a list, and how many more there are. */
function some(items: readonly string[]): string {
  return items.length <= 4 ? items.join(', ') : `${items.slice(0, 3).join(', ')} and ${items.length - 3} more`;
}

function shapeThrough(shape: Shape, transform: Transform | undefined): Shape {
  return transform === undefined ? shape : transform.axes.map((axis) => shape[axis] ?? 0);
}

/** `[1, 1, 32]` and `[32]` are the same to a line that says so. */
const comparable = (shape: Shape, { ones }: WeightName): string => formatShape(ones === true ? shape.filter((extent) => extent !== 1) : shape);

/** `[3, 8, 8]` is `[24, 8]` to a line that says so. */
function withAxesMerged(shape: Shape, { merged }: WeightName): Shape {
  const [first = 1, second = 1, ...rest] = shape;
  return merged === true ? [first * second, ...rest] : shape;
}

/** Counts a part's tensors against what its configuration wants: each is used, known not to be needed, or makes this fail. */
function accountFor(reading: PartReading, family: Family, files: readonly PeerFile[]): PlannedPart {
  const { expected, weights, ignorable, part, configuration, assumed } = reading;
  const names = new Map<string, WeightName[]>();
  for (const name of reading.names) {
    const lines = names.get(name.path);
    if (lines !== undefined) lines.push(name);
    else if (expected.has(name.path)) names.set(name.path, [name]);
  }
  const problems: string[] = [];
  const missing: string[] = [];
  const tensors: PlannedTensor[] = [];
  /** How many rows of each tensor are used. */
  const used = new Map<string, number>();
  for (const [path, { shape }] of expected) {
    const lines = names.get(path) ?? [];
    const [line = { peer: path, path }] = lines;
    const [first, ...others] = lines.flatMap(({ peer, rows }) => {
      const tensor = weights.get(peer);
      return tensor === undefined ? [] : [{ peer, tensor, rows }];
    });
    if (first === undefined || others.length + 1 < lines.length) {
      missing.push(`'${(lines.find(({ peer }) => !weights.has(peer)) ?? line).peer}'`);
      continue;
    }
    for (const { peer, tensor, rows } of [first, ...others]) {
      const [from, to] = rows ?? [0, tensor.shape[0] ?? 1];
      used.set(peer, (used.get(peer) ?? 0) + to - from);
    }
    const source = joinRows(first, ...others);
    const found = withAxesMerged(shapeThrough(source.shape, line.transform), line);
    if (comparable(found, line) !== comparable(shape, line))
      problems.push(`'${source.name}' has the shape ${formatShape(found)} where the configuration wants ${formatShape(shape)}`);
    tensors.push({ path, shape, source, ...(line.transform === undefined ? {} : { transform: line.transform }) });
  }
  const ignored: { name: string; reason: string }[] = [];
  for (const [name, rows] of used) {
    const all = weights.get(name)?.shape[0] ?? 1;
    const spare = ignorable.find((entry) => entry.rows !== undefined && entry.pattern.test(name));
    const [from, to] = spare?.rows ?? [0, 0];
    if (rows + to - from !== all) problems.push(`'${name}' has ${all} rows where the configuration wants ${rows}`);
    else if (spare !== undefined) ignored.push({ name: `${name}, rows ${from} to ${to}`, reason: spare.reason });
  }
  const unknown: string[] = [];
  for (const [name, { name: fullName }] of weights) {
    if (used.has(name)) continue;
    const reason = ignorable.find(({ pattern, rows }) => rows === undefined && pattern.test(name))?.reason;
    if (reason === undefined) unknown.push(`'${fullName}'`);
    else ignored.push({ name: fullName, reason });
  }
  if (missing.length > 0) problems.push(`${missing.length} of its ${expected.size} tensors are missing: ${some(missing)}`);
  if (unknown.length > 0) problems.push(`${unknown.length} tensors are not known: ${some(unknown)}`);
  if (problems.length > 0) {
    throw new TesseraeError('model-incompatible', `${files.map(({ name }) => name).join(', ')} is not quite ${family.title}: ${some(problems)}.`, {
      remedy: 'Use the checkpoint as the program that made it wrote it; --as NAME takes it for another kind.',
      details: { family: family.name, missing, unknown, problems },
    });
  }
  return { part, family: family.name, configuration, tensors, ignored, assumed };
}

function refuseUnrecognised({ name, weights }: PeerFile): never {
  const fitting = families.filter((family) => family.recognises(weights)).map((family) => family.name);
  throw new TesseraeError(
    'model-incompatible',
    fitting.length === 0
      ? `${name} is of no known kind; it holds ${weights.size === 0 ? 'no tensors' : `${weights.size} tensors: ${some(Array.from(weights.keys(), (key) => `'${key}'`))}`}.`
      : `${name} may be ${fitting.join(' or ')}.`,
    { remedy: `Name its kind: --as ${(fitting.length === 0 ? families.map((family) => family.name) : fitting).join(' | ')}.` },
  );
}

/** Every setting must be one of a part. @throws TesseraeError `invalid-argument`. */
function checkSettings(settings: ReadingContext['settings'], parts: readonly PlannedPart[]): void {
  for (const field of Object.keys(settings)) {
    if (field !== 'kind' && parts.some(({ configuration }) => Object.hasOwn(configuration, field))) continue;
    throw new TesseraeError('invalid-argument', `'${field}' is no setting of ${parts.map(({ part, configuration }) => `the ${part} ('${configuration.kind}')`).join(' or ')}.`, {
      remedy: `Settings: ${[...new Set(parts.flatMap(({ configuration }) => Object.keys(configuration)))].filter((name) => name !== 'kind').join(', ')}.`,
      details: { field },
    });
  }
}

/**
 * What a conversion of these files will write, without reading a tensor. Each file's family is recognised by names and
 * shapes, the configuration read off the tensors and the settings beside them.
 * @throws TesseraeError `model-incompatible` for files that fit no family, or whose tensors are not exactly those of a model.
 */
export function planConversion(files: readonly PeerFile[], options: PlanOptions = {}): readonly PlannedPart[] {
  const context: ReadingContext = { documents: options.documents ?? new Map(), settings: options.settings ?? {} };
  const chosen = options.family === undefined ? undefined : familyNamed(options.family);
  const byFamily = new Map<Family, PeerFile[]>();
  for (const file of files) {
    const family = chosen ?? recogniseFamily(file.weights) ?? refuseUnrecognised(file);
    const others = byFamily.get(family);
    if (others === undefined) byFamily.set(family, [file]);
    else others.push(file);
  }
  const parts = Array.from(byFamily).flatMap(([family, own]) => family.read(own, context).map((reading) => accountFor(reading, family, own)));
  for (const { part } of parts) {
    if (parts.filter((other) => other.part === part).length > 1) {
      throw new TesseraeError('invalid-argument', `These files hold more than one ${part}: ${files.map(({ name }) => name).join(', ')}.`, {
        remedy: 'Name the files of one model.',
      });
    }
  }
  checkSettings(context.settings, parts);
  return parts;
}
