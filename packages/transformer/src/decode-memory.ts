import { add, boolArray, broadcastTo, concat, gather, literal, logicalAnd, reshape, type Tensor, type TensorType, type TraceScope } from '@tesserae/core';
import { attentionOf } from './blocks/stable.js';
import { type KeysAndValues, type Stream, shiftPlaces } from './blocks/stack.js';
import { recentTokens, shiftOne } from './blocks/token-shift.js';
import { conditionOf } from './condition-choices.js';
import { choicesOf, headSizeOf, type PriorConfiguration, prefixLengthOf } from './configuration.js';
import type { ConditionTensors } from './embeddings.js';
import { columnsOfPositions, type DecodeBatch, firstOfBranch } from './layer-cache.js';
import { rotaryTable, rotateHeads } from './stack-shapes.js';
import type { StreamObserver } from './transformer.js';

/** Names of what a decoding keeps on the device beside keys, values and logits, for configurations that need it. */
const memoryNames = {
  encoderKeys: (layer: number): string => `encoder.${layer}.keys`,
  encoderValues: (layer: number): string => `encoder.${layer}.values`,
  /** bool [branches, 1, 1, length]: which of the encoder's or the condition's positions are looked at. */
  conditionMask: 'condition.mask',
  /** The last tokens' shiftable channels, by column. */
  recent: (place: string): string => `recent.${place}`,
} as const;

const layerNumbers = ({ layers }: PriorConfiguration): readonly number[] => Array.from({ length: layers }, (_, layer) => layer);

const allShiftPlaces = (configuration: PriorConfiguration): readonly string[] => (choicesOf(configuration).tokenShift ? layerNumbers(configuration).flatMap(shiftPlaces) : []);

/** Names and types of the memory; none for a plain prior. What comes of the condition is kept once a branch, what comes of tokens for every candidate. */
export function memoryTypes(configuration: PriorConfiguration, { branches, candidates }: DecodeBatch): ReadonlyMap<string, TensorType> {
  const { textLength, heads, width, grid } = configuration;
  const condition = conditionOf(configuration);
  const types = new Map<string, TensorType>();
  if (condition.kind === 'features' || condition.kind === 'encoder') types.set(memoryNames.conditionMask, { dtype: 'bool', shape: [branches, 1, 1, textLength] });
  if (condition.kind === 'encoder') {
    const read: TensorType = { dtype: 'float32', shape: [branches, heads, textLength, headSizeOf(configuration)] };
    for (const layer of layerNumbers(configuration)) types.set(memoryNames.encoderKeys(layer), read).set(memoryNames.encoderValues(layer), read);
  }
  for (const place of allShiftPlaces(configuration)) types.set(memoryNames.recent(place), { dtype: 'float32', shape: [branches * candidates, grid.columns, width / 2] });
  return types;
}

/** Fills the memory during a forward pass over the beginning. `copy` repeats rows that stand for several candidates. */
export function fillMemory(scope: TraceScope, configuration: PriorConfiguration, given: ConditionTensors, batch: DecodeBatch, copy: (x: Tensor) => Tensor): StreamObserver {
  const types = memoryTypes(configuration, batch);
  const assign = (name: string, value: Tensor): void => {
    const type = types.get(name);
    if (type === undefined) return;
    scope.state(name, type.shape, type.dtype);
    scope.assign(name, value);
  };
  const fill = (name: string, value: Tensor): void => assign(name, firstOfBranch(value, batch.branches));
  if (given.features !== undefined) {
    const [batch = 0, length = 0] = given.features.mask.shape;
    fill(memoryNames.conditionMask, reshape(given.features.mask, [batch, 1, 1, length]));
  }
  return {
    keepShifted: (normal, place) => assign(memoryNames.recent(place), copy(recentTokens(normal, prefixLengthOf(configuration), configuration.grid))),
    keepEncoded: (read, layer) => {
      fill(memoryNames.encoderKeys(layer), read.keys);
      fill(memoryNames.encoderValues(layer), read.values);
    },
    keepEncoderMask: (mask) => fill(memoryNames.conditionMask, mask),
  };
}

/** The memory as one decoding program reads it. */
export interface DecodeMemory {
  /** bool [branches, 1, 1, length] where some of the condition's positions, which lead the cache, are never looked at. */
  readonly prefixMask: Tensor | undefined;
  /** First values of what changes from token to token, to be carried by the loop. */
  readonly carried: readonly Tensor[];
  /** The stream's hooks for the image token at `position`; they leave in `next` what is carried on. */
  at(position: Tensor, carried: readonly Tensor[], next: Tensor[]): Omit<Stream, 'attend'>;
  /** Writes what was carried out of the loop. */
  write(carried: readonly Tensor[]): void;
}

export function readMemory(scope: TraceScope, configuration: PriorConfiguration, batch: DecodeBatch): DecodeMemory {
  const types = memoryTypes(configuration, batch);
  const state = (name: string): Tensor | undefined => {
    const type = types.get(name);
    return type === undefined ? undefined : scope.state(name, type.shape, type.dtype);
  };
  const conditionMask = state(memoryNames.conditionMask);
  const encoded = layerNumbers(configuration).map((layer): KeysAndValues | undefined => {
    const keys = state(memoryNames.encoderKeys(layer));
    const values = state(memoryNames.encoderValues(layer));
    return keys === undefined || values === undefined ? undefined : { keys, values };
  });
  const places = allShiftPlaces(configuration);
  const recents = places.flatMap((place) => state(memoryNames.recent(place)) ?? []);
  const columnOf = places.length === 0 ? undefined : scope.literal(columnsOfPositions(configuration));
  const turns = rotaryTable(configuration);
  const prefix = prefixLengthOf(configuration);
  const rotary = turns === undefined ? undefined : [turns.cosines, turns.sines].map((table) => scope.literal(table));
  const attend = attentionOf(choicesOf(configuration).stable);
  const hasEncoder = conditionOf(configuration).kind === 'encoder';

  return {
    prefixMask: hasEncoder ? undefined : conditionMask,
    carried: recents,
    at(position, carried, next) {
      const column = columnOf === undefined ? undefined : gather(columnOf, position);
      const turn = rotary?.map((table) => gather(table, add(position, prefix)));
      return {
        ...(turn === undefined ? {} : { rotate: (heads: Tensor) => rotateHeads(configuration, heads, turn[0] ?? heads, turn[1] ?? heads) }),
        ...(column === undefined
          ? {}
          : {
              shift(normal: Tensor, place: string) {
                const index = places.indexOf(place);
                const { shifted, recent } = shiftOne(normal, carried[index] ?? normal, column);
                next[index] = recent;
                return shifted;
              },
            }),
        ...(hasEncoder
          ? {
              attendEncoder(queries: Tensor, layer: number) {
                const read = encoded[layer];
                return read === undefined || conditionMask === undefined ? queries : attend(queries, read.keys, read.values, { mask: conditionMask });
              },
            }
          : {}),
      };
    },
    write(carried) {
      for (const [index, place] of places.entries()) {
        const value = carried[index];
        if (value !== undefined) scope.assign(memoryNames.recent(place), value);
      }
    },
  };
}

/** `mask` [length] of one position without the positions of `prefixMask`, which lead it. */
export function withoutHidden(mask: Tensor, prefixMask: Tensor): Tensor {
  const [rows = 0, , , count = 0] = prefixMask.shape;
  const length = mask.shape[0] ?? 0;
  const rest = broadcastTo(literal(mask.builder, boolArray([], [true])), [rows, 1, 1, length - count]);
  return logicalAnd(mask, concat([prefixMask, rest], 3));
}
