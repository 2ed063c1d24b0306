import { statSync } from 'node:fs';
import {
  type Candidate,
  candidateOf,
  dropDuplicates,
  type Plan,
  type PlanOptions,
  planRows,
} from '../../src/average/index.ts';
import { readError } from '../../src/core/index.ts';
import { type Model, openModel } from '../../src/onnx/index.ts';

function candidate(path: string): Candidate {
  try {
    return candidateOf(path, statSync(path).mtimeMs);
  } catch (error) {
    throw readError(path, error);
  }
}

/** Plans over files: duplicates are dropped first, unless allowed. */
export function planFiles(
  paths: readonly string[],
  options: PlanOptions,
  allowDuplicates: boolean,
  note: (text: string) => void,
): Plan {
  const { kept, dropped } = allowDuplicates ? { kept: paths, dropped: [] } : dropDuplicates(paths);
  for (const { path, of } of dropped) note(`${path}: the same bytes as ${of}; counted once`);
  const plan = planRows(kept.map(candidate), options);
  for (const text of plan.notes) note(text);
  return plan;
}

/** Opens the snapshots, runs `use`, and closes them whatever happens. */
export async function withModels<T>(paths: readonly string[], use: (models: Model[]) => Promise<T>): Promise<T> {
  const models: Model[] = [];
  try {
    for (const path of paths) models.push(openModel(path));
    return await use(models);
  } finally {
    for (const model of models) model.close();
  }
}
