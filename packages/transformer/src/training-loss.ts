import { add, crossEntropy, type LossFunction, multiply, reduceMean } from '@tesserae/core';
import { imageLengthOf, type PriorConfiguration } from './configuration.js';
import { priorLogits } from './transformer.js';

/** Weights of the two kinds of token in the loss (DALL-E paper, §2.2: "we multiply … by 1/8 … 7/8"). */
export const textLossWeight = 1 / 8;
export const imageLossWeight = 7 / 8;

/**
 * The prior's training loss for `createTrainingStep`: 1/8 text + 7/8 image cross-entropy in nats, each the mean over
 * its own tokens, paddings included. Inputs: `text` int32 [batch, textLength] with paddings replaced (`padText`),
 * `codes` int32 [batch, positions]. Metrics: `textLoss`, `imageLoss`.
 */
export function priorTrainingLoss(configuration: PriorConfiguration, options: { readonly batch: number }): LossFunction {
  return ({ scope, parameters }) => {
    const text = scope.input('text', [options.batch, configuration.textLength], 'int32');
    const codes = scope.input('codes', [options.batch, imageLengthOf(configuration)], 'int32');
    const logits = priorLogits(parameters, configuration, text, codes);
    const textLoss = reduceMean(crossEntropy(logits.text, text));
    const imageLoss = reduceMean(crossEntropy(logits.image, codes));
    return { loss: add(multiply(textLoss, textLossWeight), multiply(imageLoss, imageLossWeight)), metrics: { textLoss, imageLoss } };
  };
}
