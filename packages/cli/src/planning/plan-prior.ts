import type { OptimizerOptions } from '@tesserae/core';
import { imageLengthOf, type PriorConfiguration, priorParameters, priorTrainingLoss } from '@tesserae/transformer';
import type { Machine } from './machine.js';
import { countParameters, type PartCount, parametersByPart } from './parameters.js';
import { type DecodingPlan, type DecodingSpeed, decodingSpeeds, planDecoding } from './plan-decoding.js';
import { planTraining, type TrainingPlan, type TrainingTime, trainingTime } from './plan-training.js';

export interface PriorChoices {
  readonly configuration: PriorConfiguration;
  readonly optimizer: OptimizerOptions;
  /** Pictures an update, and updates. */
  readonly batch: number;
  readonly updates: number;
  readonly candidates: number;
  readonly guided: boolean;
  /** Of the image tokenizer's decoder, for one picture. */
  readonly pictureFlops: number;
}

export interface PriorPlan {
  readonly configuration: PriorConfiguration;
  readonly parameters: { readonly total: number; readonly parts: readonly PartCount[] };
  readonly training: TrainingPlan & { readonly time?: TrainingTime };
  readonly decoding: DecodingPlan & { readonly speeds: readonly DecodingSpeed[] };
}

/** Everything about a prior: its parameters, its training, and making pictures with it. */
export function planPriorUse({ configuration, optimizer, batch, updates, candidates, guided, pictureFlops }: PriorChoices, machine: Machine): PriorPlan {
  const specs = [...priorParameters(configuration).values()];
  const tokens = batch * (configuration.textLength + imageLengthOf(configuration));
  const training = planTraining({ name: 'train prior', loss: priorTrainingLoss(configuration, { batch }), optimizer, batch, tokens, updates });
  const time = trainingTime(training, machine);
  const decoding = planDecoding(configuration, { candidates, branches: guided ? 2 : 1 });
  return {
    configuration,
    parameters: { total: countParameters(specs), parts: parametersByPart(specs) },
    training: { ...training, ...(time === undefined ? {} : { time }) },
    decoding: { ...decoding, speeds: decodingSpeeds(decoding, machine, pictureFlops) },
  };
}
