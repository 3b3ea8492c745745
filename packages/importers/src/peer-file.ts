import { type Checkpoint, stateDictionary } from './checkpoint.js';
import type { PeerFile } from './families/family.js';
import { tableIn } from './families/reading.js';

/** An opened checkpoint as the families look at it. @throws TesseraeError `model-incompatible`. */
export function peerFile(name: string, checkpoint: Checkpoint): PeerFile {
  return { name, checkpoint, weights: stateDictionary(checkpoint), hyperparameters: tableIn(checkpoint.metadata, 'hparams') ?? checkpoint.metadata };
}
