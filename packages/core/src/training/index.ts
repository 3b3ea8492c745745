export type { AdamWOptions } from './adamw.js';
export { epochOrder } from './epochs.js';
export { type MuonOptions, orthogonalise } from './muon.js';
export { globalNorm, type OptimizerOptions, stateNames } from './optimizer.js';
export type { PlateauSchedule } from './plateau.js';
export { type Schedule, scheduleTensor, scheduleValue } from './schedules.js';
export { type TrainingLook, type TrainingProgress, type TrainOptions, train } from './trainer.js';
export {
  type AccumulationStep,
  createEvaluationStep,
  createTrainingStep,
  initialTrainingState,
  type LossContext,
  type LossFunction,
  type LossResult,
  type RunningSpec,
  type RunningValue,
  type TrainingStep,
  trainedParameters,
} from './training-step.js';
