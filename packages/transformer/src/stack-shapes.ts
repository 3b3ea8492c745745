import { concat, sliceAxis, type Tensor } from '@tesserae/core';
import { withDefaults } from './blocks/choices.js';
import { axialTable, gridTable, type RotaryTable, rotate } from './blocks/rotary.js';
import type { StackShape } from './blocks/stack.js';
import { choicesOf, headSizeOf, type PriorConfiguration, positionsOf, prefixLengthOf } from './configuration.js';

/** The stack that reads and predicts image tokens. */
export function stackShape(configuration: PriorConfiguration): StackShape {
  const { width, layers, heads } = configuration;
  return { width, layers, heads, headSize: headSizeOf(configuration), choices: choicesOf(configuration) };
}

/** An encoder's stack of `layers` blocks: of the same kind, none shared. */
export function encoderShape(configuration: PriorConfiguration, layers: number): StackShape {
  const { attentionOf: _attention, feedForwardOf: _feedForward, ...block } = configuration.block ?? {};
  return { ...stackShape(configuration), layers, choices: withDefaults(block, layers, configuration.width) };
}

/** The turns of every position, if positions are turns. */
export function rotaryTable(configuration: PriorConfiguration): RotaryTable | undefined {
  const headSize = headSizeOf(configuration);
  const prefix = prefixLengthOf(configuration);
  const positions = positionsOf(configuration);
  switch (positions) {
    case 'rows-columns':
    case 'learned':
      return undefined;
    case 'rotary-axial':
      return axialTable(headSize, prefix, configuration.grid);
    case 'rotary-grid':
      return gridTable(headSize, prefix, configuration.grid);
    default:
      return positions satisfies never;
  }
}

/** Turns what a configuration turns of [batch, 3·heads, length, headSize]: values too, or queries and keys only. */
export function rotateHeads(configuration: PriorConfiguration, joint: Tensor, cosines: Tensor, sines: Tensor): Tensor {
  if (positionsOf(configuration) === 'rotary-axial') return rotate(joint, cosines, sines);
  const { heads } = configuration;
  return concat([rotate(sliceAxis(joint, 1, 0, 2 * heads), cosines, sines), sliceAxis(joint, 1, 2 * heads, heads)], 1);
}
