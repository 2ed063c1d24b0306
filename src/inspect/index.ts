export type { Facts, FactValue, InspectedFile, InspectedTensor, Problem } from './inspected.ts';
export { type InspectionRecord, type InspectOptions, inspect } from './job.ts';
