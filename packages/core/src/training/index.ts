export { adamW, type AdamWOptions, globalNorm, stateNames } from './adamw.js';
export { type Schedule, scheduleTensor, scheduleValue } from './schedules.js';
export { train, type TrainingProgress, type TrainOptions } from './trainer.js';
export {
  createEvaluationStep,
  createTrainingStep,
  initialTrainingState,
  type LossContext,
  type LossFunction,
  type LossResult,
  trainedParameters,
  type TrainingStep,
} from './training-step.js';
