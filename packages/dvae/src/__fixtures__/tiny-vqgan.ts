import type { VqganConfiguration } from '../vqgan/configuration.js';

/** Two levels: codes of 2×2 pixels. */
export const tinyVqgan: VqganConfiguration = {
  kind: 'vqgan',
  imageSize: 8,
  codebookSize: 8,
  codeWidth: 4,
  latentChannels: 4,
  hidden: 8,
  multipliers: [1, 1],
  blocksPerLevel: 1,
  attentionLevels: [1],
  quantizer: 'nearest',
  normGroups: 2,
};
