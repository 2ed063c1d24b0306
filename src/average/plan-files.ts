import { candidateOfFile, dropDuplicates } from '../snapshots/index.ts';
import { type Plan, planRows } from './plan/plan.ts';
import type { PlanOptions } from './plan/plan-options.ts';

/** Plans over files: duplicates are dropped first, unless allowed. @throws TemperError INPUT_*, FORMAT_*, and as planRows */
export function planFiles(
  paths: readonly string[],
  options: PlanOptions,
  allowDuplicates: boolean,
  note: (text: string) => void,
): Plan {
  const { kept, dropped } = allowDuplicates ? { kept: paths, dropped: [] } : dropDuplicates(paths);
  for (const { path, of } of dropped) note(`${path}: the same bytes as ${of}; counted once`);
  const plan = planRows(kept.map(candidateOfFile), options);
  for (const text of plan.notes) note(text);
  return plan;
}
