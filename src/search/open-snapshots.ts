// A copy of cli/shared/load-snapshots.ts, until the snapshots of averageCheckpoints are opened in src.
import { statSync } from 'node:fs';
import {
  type Candidate,
  candidateOf,
  dropDuplicates,
  type Plan,
  type PlanOptions,
  planRows,
} from '../average/index.ts';
import { readError, samePath } from '../core/index.ts';
import { type Model, openModel, provenanceSteps } from '../onnx/index.ts';

function candidate(path: string): Candidate {
  try {
    return candidateOf(path, statSync(path).mtimeMs);
  } catch (error) {
    throw readError(path, error);
  }
}

const isAverage = ({ record }: Pick<Model, 'record'>): boolean =>
  provenanceSteps(record).some(({ value }) => /"command":\s*"avg-ckpt"/.test(value));

/**
 * Leaves out of a run's folder what avg-ckpt wrote into it: its name mostly sorts behind the snapshots, so that an EMA would
 * give it the largest weight. Files that cannot be read stay, for the error that says why.
 */
export function leaveOutAverages(out: string | undefined, note: (text: string) => void): (path: string) => boolean {
  return (path) => {
    let model: Model;
    try {
      model = openModel(path);
    } catch {
      return false;
    }
    try {
      if (!isAverage(model)) return false;
    } finally {
      model.close();
    }
    // What `force` is about to replace goes without saying; a snapshot of that name stays, and is never overwritten.
    if (out === undefined || !samePath(out, path))
      note(`${path}: is an average that avg-ckpt wrote; left out (to use it, name the file)`);
    return true;
  };
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
    for (const path of paths) models.push(openModel(path, models[0]));
    return await use(models);
  } finally {
    for (const model of models) model.close();
  }
}
