export type { Method, MethodContext } from './method.ts';
export { METHODS } from './methods.ts';
export { type Plan, planRows } from './plan.ts';
export type { PlanOptions } from './plan-options.ts';
export { amplification, checkRow, effectiveModels, type Row } from './row.ts';
export { baseName, type Candidate, candidateOf, type StepUnit } from './snapshot-name.ts';
