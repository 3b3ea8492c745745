import { encodeSafetensors, float32Array } from '@tesserae/core';
import { bytesSource } from '../byte-source.js';
import { looksLikeZip, openZip } from '../zip.js';
import { fixture } from './files.js';
import { joinBytes, writeZip } from './writers.js';
import { mutate, mutateInside, type Outcome, outcomeOf, type Part, seeded } from './mutations.js';

interface Seed {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** A checksum, or a second place that says the same, guards every byte that a tensor depends on. */
  readonly isSealed: boolean;
}

const paths: readonly (readonly [path: string, isSealed: boolean])[] = [
  ['malicious/control-valid.pt', true],
  ['malicious/control-strided-view.pt', true],
  ['malicious/control-valid-legacy.pt', false],
  ['peers/openai-dvae/nhid12-blk1-channelslast/decoder.pkl', true],
  ['peers/openai-dvae/nhid12-blk1-legacy-cuda/decoder.pkl', false],
  ['peers/dalle-pytorch/vae-l2-rgba-reinmax/vae.pt', true],
  ['peers/min-dalle/pipeline-mega-ids/encoder.pt', true],
  ['numpy/stored.npz', true],
  ['numpy/deflated.npz', true],
  ['numpy/f4.npy', false],
  ['numpy/dictionary-protocol-0.pkl', false],
  ['numpy/dictionary-protocol-2.pkl', false],
  ['numpy/dictionary-protocol-5.pkl', false],
  ['flax/tree.msgpack', false],
];

/** Small good files of every kind. */
async function goodFiles(): Promise<Seed[]> {
  const weights = new Map([
    ['a.weight', float32Array([2, 3], [1, 2, 3, 4, 5, 6])],
    ['a.bias', float32Array([3], [7, 8, 9])],
  ]);
  const control = Array.from(await partsOf('malicious/control-valid.pt'));
  return [
    ...(await Promise.all(
      paths.map(async ([path, isSealed]) => {
        const source = fixture(path);
        return { name: path, bytes: await source.read(0, source.size), isSealed };
      }),
    )),
    { name: 'model.safetensors', bytes: joinBytes(encodeSafetensors(weights, { note: 'good' })), isSealed: false },
    { name: 'zip64.pt', bytes: writeZip(control, { zip64: true }), isSealed: true },
    { name: 'deflated.pt', bytes: writeZip(control.map((part) => ({ ...part, deflate: true }))), isSealed: true },
  ];
}

export interface FuzzReport {
  readonly mutations: number;
  readonly refused: number;
  readonly read: number;
  /** Files that crashed, hung, threw something untyped, or read as something their bytes do not say; with their seed. */
  readonly problems: readonly string[];
}

async function partsOf(path: string, source = fixture(path)): Promise<Part[]> {
  const entries = await openZip(source);
  return Promise.all(Array.from(entries.values(), async (entry) => ({ name: entry.name, content: await entry.read(0, entry.size) })));
}

/** Opens `mutations` changed files, one after another, from `seed` on. */
export async function fuzz(mutations: number, seed: number, milliseconds: number, progress: (done: number) => void = () => {}): Promise<FuzzReport> {
  const files = await Promise.all(
    (await goodFiles()).map(async (file) => {
      const original = await outcomeOf(file.bytes, file.name, Number.POSITIVE_INFINITY);
      const parts = /\.(pt|pkl)$/.test(file.name) && looksLikeZip(file.bytes) ? await partsOf(file.name, bytesSource(file.bytes, file.name)) : [];
      const pickle = parts.find(({ name }) => name.endsWith('/data.pkl'))?.name;
      return { ...file, original, parts, pickle };
    }),
  );
  const problems: string[] = files.flatMap(({ name, original }) => (original.kind === 'read' ? [] : [`${name} itself does not read`]));
  let refused = 0;
  let read = 0;
  for (let index = 0; index < mutations; index += 1) {
    const file = files[index % files.length];
    if (file === undefined) break;
    const { name, bytes, isSealed, original, parts, pickle } = file;
    const next = seeded(seed + index * 7919);
    const isInside = pickle !== undefined && next(2) === 0;
    const changed = isInside && pickle !== undefined ? mutateInside(parts, pickle, next) : mutate(bytes, next);
    const outcome: Outcome = await outcomeOf(changed, name, milliseconds);
    const label = `mutation ${index} of ${name}${isInside ? ' (inside its pickle)' : ''}`;
    if (outcome.kind === 'broken') problems.push(`${label}: ${outcome.problem}`);
    else if (outcome.kind === 'refused') {
      refused += 1;
      if ((await outcomeOf(changed, name, Number.POSITIVE_INFINITY, 'streamed')).kind !== 'refused') problems.push(`${label} is refused whole, but not in pieces`);
    }
    else {
      read += 1;
      if (isSealed && !isInside && original.kind === 'read' && outcome.content !== original.content) problems.push(`${label} reads as something else`);
      // What is read is a function of the bytes alone.
      const again = await outcomeOf(changed, name, Number.POSITIVE_INFINITY, 'streamed');
      if (again.kind !== 'read' || again.content !== outcome.content) problems.push(`${label} reads differently the second time`);
    }
    progress(index + 1);
  }
  return { mutations, refused, read, problems };
}
