export type { FoundObject, FoundScene } from './found.js';
export { type Rate, summariseVerdicts, type VerdictRates, type VerdictSummary } from './summary.js';
export { createSceneJudge, type ObjectVerdict, type SceneJudge, type SceneVerdict } from './verdict.js';
