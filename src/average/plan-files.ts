import { TemperError } from '../core/index.ts';
import {
  candidatesOfFiles,
  type Distinct,
  dropDuplicates,
  isCheckpoint,
  type StateChoice,
  type TemplateOptions,
} from '../snapshots/index.ts';
import { type AveragingOptions, withTables } from './averaging-options.ts';
import { type Plan, planRows } from './plan/plan.ts';

export interface FilePlan extends Plan, Pick<Distinct, 'known'> {}

/**
 * Plans over files: duplicates are dropped first, unless allowed.
 * @throws TemperError INPUT_*, FORMAT_*, and as planRows
 */
export function planFiles(
  paths: readonly string[],
  options: AveragingOptions,
  allowDuplicates: boolean,
  note: (text: string) => void,
): FilePlan {
  const all: Distinct = { kept: paths, dropped: [], known: new Map() };
  const { kept, dropped, known } = allowDuplicates ? all : dropDuplicates(paths);
  for (const { path, of, same } of dropped) note(`${path}: the same ${same} as ${of}; counted once`);
  const plan = planRows(candidatesOfFiles(kept), withTables(options));
  for (const text of plan.notes) note(text);
  return { ...plan, known };
}

/** Whether files are training checkpoints, or ONNX models beside some: then all are averaged as state dicts. */
export const areCheckpoints = (paths: readonly string[]): boolean => paths.some(isCheckpoint);

/** What only training checkpoints take. @throws TemperError USAGE */
export function assertModelOptions({
  state,
  template,
  templateOf,
}: TemplateOptions & { readonly state?: StateChoice | undefined }): void {
  const [option] = Object.entries({ state, template, templateOf }).flatMap(([name, value]) =>
    value === undefined ? [] : [name],
  );
  if (option === undefined) return;
  throw new TemperError('USAGE', `\`${option}\` is for training checkpoints; these are ONNX models`, {
    hint: `Leave \`${option}\` out.`,
    details: { option },
  });
}
