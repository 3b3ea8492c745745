import { apply, type Tensor } from '../graph/index.js';

/** −log softmax(logits)[label] in nats, one per row: logits […, classes], labels int32 […] → […]. */
export const crossEntropy = (logits: Tensor, labels: Tensor): Tensor => apply('crossEntropy', [logits, labels], {});
