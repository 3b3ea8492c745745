import { type DvaeShape, downsamplingOf } from './configuration.js';
import { type StridedDvaeConfiguration, stridedDownsampling } from './strided/configuration.js';

/**
 * What a code, or the pixels of a code, depend on besides their own place: codes to each side. A piece of a picture that has this
 * much around it is encoded and decoded as if the whole picture were there.
 */
export interface Reach {
  /** Codes' worth of pixels that a code looks at beyond its own. */
  readonly encode: number;
  /** Codes that the pixels of a code look at beyond it. */
  readonly decode: number;
}

/** Three 3×3 convolutions a block, on both ways (`encoder.ts`, `decoder.ts`). */
const dvaeBlockReach = 3;

export function dvaeReach(configuration: DvaeShape): Reach {
  const { groups, blocksPerGroup } = configuration;
  const group = dvaeBlockReach * blocksPerGroup;
  // The 7×7 convolution, then every group at its own scale.
  const pixels = 3 + group * (2 ** groups - 1);
  let codes = 0;
  // From the pixels back to the codes: a group's convolutions, then two pixels become one.
  for (let level = groups - 1; level >= 0; level -= 1) codes = level === 0 ? codes + group : Math.ceil((codes + group) / 2);
  return { encode: Math.ceil(pixels / downsamplingOf(configuration)), decode: codes };
}

/** Two 3×3 convolutions a residual block, 4×4 ones with stride 2 (`strided/autoencoder.ts`). */
export function stridedReach(configuration: StridedDvaeConfiguration): Reach {
  const { layers, residualBlocks } = configuration;
  let pixels = 2 * residualBlocks;
  for (let layer = 0; layer < layers; layer += 1) pixels = 2 * pixels + 1;
  let codes = 0;
  for (let layer = 0; layer < layers; layer += 1) codes = Math.floor(codes / 2) + 1;
  return { encode: Math.ceil(pixels / stridedDownsampling(configuration)), decode: codes + 2 * residualBlocks };
}
