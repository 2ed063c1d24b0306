export { finish } from './job.ts';
export { snakeKeys } from './key-case.ts';
export type { FinishOptions } from './options.ts';
export { resultsDocument } from './outputs/results.ts';
export { usageSnippets } from './outputs/usage.ts';
export type { FinishPlan } from './plan.ts';
export { planFinish } from './plan-job.ts';
export { readRecipe } from './recipe.ts';
export { type DecidedStep, decisionText, type FinishRecord } from './record.ts';
