export { type AdamWOptions, adamW, globalNorm, stateNames } from './adamw.js';
export { type Schedule, scheduleTensor, scheduleValue } from './schedules.js';
export { type TrainingProgress, type TrainOptions, train } from './trainer.js';
export {
  createEvaluationStep,
  createTrainingStep,
  initialTrainingState,
  type LossContext,
  type LossFunction,
  type LossResult,
  type TrainingStep,
  trainedParameters,
} from './training-step.js';
