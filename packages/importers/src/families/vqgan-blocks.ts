import type { WeightName, Weights } from './family.js';
import { fieldsOf } from './reading.js';

/** What taming-transformers' residual and attention blocks are made of; every descendant kept these names. */

/** `shortcut` exists where the channels change. */
export function* residualBlockNames(peer: string, path: string): Iterable<WeightName> {
  for (const index of [0, 1]) {
    yield* fieldsOf(`${peer}.norm${index + 1}`, `${path}.norms.${index}`);
    yield* fieldsOf(`${peer}.conv${index + 1}`, `${path}.convolutions.${index}`);
  }
  yield* fieldsOf(`${peer}.nin_shortcut`, `${path}.shortcut`);
}

export function* attentionBlockNames(peer: string, path: string): Iterable<WeightName> {
  yield* fieldsOf(`${peer}.norm`, `${path}.norm`);
  yield* fieldsOf(`${peer}.q`, `${path}.query`);
  yield* fieldsOf(`${peer}.k`, `${path}.key`);
  yield* fieldsOf(`${peer}.v`, `${path}.value`);
  yield* fieldsOf(`${peer}.proj_out`, `${path}.output`);
}

/** What stands at both ends of a half. */
export function* endNames(half: 'encoder' | 'decoder'): Iterable<WeightName> {
  yield* fieldsOf(`${half}.conv_in`, `${half}.input`);
  yield* fieldsOf(`${half}.norm_out`, `${half}.norm`);
  yield* fieldsOf(`${half}.conv_out`, `${half}.output`);
}

/** The 1×1 convolutions before and behind the codebook. */
export function* projectionNames(): Iterable<WeightName> {
  yield* fieldsOf('quant_conv', 'quantizer.input');
  yield* fieldsOf('post_quant_conv', 'quantizer.output');
}

/** Levels, counted from the largest pictures, whose blocks are followed by attention. `place` says where a level lies. */
export function attentionLevelsOf(weights: Weights, levels: number, place: (level: number) => string): readonly number[] {
  return Array.from({ length: levels }, (_, level) => level).filter((level) => weights.has(`${place(level)}.attn.0.norm.weight`));
}
