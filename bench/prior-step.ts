import { createTrainingStep, deriveKey, type HostArray, initialTrainingState, int32Array, keyFromSeed, type TrainingStep, uniformArray } from '@tesserae/core';
import { imageLengthOf, type PriorConfiguration, type PriorLossOptions, priorTrainingLoss } from '@tesserae/transformer';

const key = keyFromSeed(1);

/** A whole update of a prior with the optimiser's options of `tesserae train` (decay, clipping and the average are part of a step), and a batch of random tokens. */
export function priorStep(
  configuration: PriorConfiguration,
  options: PriorLossOptions,
): { readonly step: TrainingStep; readonly state: Map<string, HostArray>; readonly inputs: Record<string, HostArray> } {
  const { batch } = options;
  const positions = imageLengthOf(configuration);
  const step = createTrainingStep('train step', priorTrainingLoss(configuration, options), {
    learningRate: { kind: 'constant', value: 3e-4 },
    beta2: 0.96,
    weightDecay: 4.5e-2,
    clipNorm: 4,
    ema: 0.99,
  });
  const ids = (name: string, count: number, bound: number): Int32Array => Int32Array.from(uniformArray(deriveKey(key, name), count), (value) => Math.floor(value * bound));
  const inputs = {
    text: int32Array([batch, configuration.textLength], ids('text', batch * configuration.textLength, configuration.textVocabularySize)),
    codes: int32Array([batch, positions], ids('codes', batch * positions, configuration.codebookSize)),
  };
  return { step, state: initialTrainingState(step, key), inputs };
}
