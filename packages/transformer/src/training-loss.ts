import { add, crossEntropy, type LossFunction, type LossResult, multiply, reduceMean, sliceAxis, type Tensor } from '@tesserae/core';
import { declareCondition } from './condition.js';
import { imageLengthOf, type PriorConfiguration } from './configuration.js';
import type { AttentionPath } from './joint-attention.js';
import { priorLogits } from './transformer.js';

/** Weights of the two kinds of token in the loss (DALL-E paper, §2.2: "we multiply … by 1/8 … 7/8"). */
export const textLossWeight = 1 / 8;
export const imageLossWeight = 7 / 8;

export interface PriorLossOptions {
  readonly batch: number;
  /** Default: `quicker`. The numbers are the same. */
  readonly attention?: Exclude<AttentionPath, 'omitted'>;
  /**
   * `layers`: the backward pass keeps what goes from layer to layer and computes the rest of each layer again when it gets there: about a third
   * more work, memory for the inner values of one layer only. `cheap`: of each layer only what costs little for its memory: activations, norms, and the
   * weights and keys of attention on windows; no product with a layer's matrix. The numbers are the same. Default `none`.
   */
  readonly recompute?: 'none' | 'cheap' | 'layers';
}

/**
 * The prior's training loss for `createTrainingStep`: 1/8 text + 7/8 image cross-entropy in nats, each the mean over
 * its own tokens, paddings included; image cross-entropy alone where the text is not predicted. Inputs: `text` int32
 * [batch, textLength] with paddings replaced (`padText`) or what the condition has instead (`declareCondition`),
 * `codes` int32 [batch, positions]. Metrics: `textLoss`, `imageLoss`.
 */
export function priorTrainingLoss(configuration: PriorConfiguration, { batch, attention, recompute = 'none' }: PriorLossOptions): LossFunction {
  return ({ scope, parameters }): LossResult => {
    const given = declareCondition(scope, configuration, batch);
    const codes = scope.input('codes', [batch, imageLengthOf(configuration)], 'int32');
    const residuals: (readonly Tensor[])[] = [];
    const backward = { checkpoints: residuals, recompute: recompute === 'layers' ? ('all' as const) : recompute };
    const logits = priorLogits(parameters, configuration, given, codes, {
      ...(attention === undefined ? {} : { attention }),
      observer: { keepResidual: (residual) => residuals.push(residual) },
    });
    const predicted = logits.text?.shape[1] ?? 0;
    const textLoss =
      logits.text === undefined || given.text === undefined
        ? undefined
        : reduceMean(crossEntropy(logits.text, sliceAxis(given.text, 1, configuration.textLength - predicted, predicted)));
    const imageLoss = reduceMean(crossEntropy(logits.image, codes));
    if (textLoss === undefined) return { loss: imageLoss, metrics: { imageLoss }, ...backward };
    return { loss: add(multiply(textLoss, textLossWeight), multiply(imageLoss, imageLossWeight)), metrics: { textLoss, imageLoss }, ...backward };
  };
}
