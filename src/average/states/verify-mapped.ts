import { dirname } from 'node:path';
import { TemperError } from '../../core/index.ts';
import { type Model, openModel } from '../../onnx/index.ts';
import { recordAs, recordedText } from '../../signature/index.ts';
import {
  type MapSummary,
  MODEL_STATE,
  onlyMapped,
  openState,
  type ProvedMap,
  proveMap,
  type RecordedFile,
  type StateTable,
  tableByNames,
  tableOfModel,
} from '../../snapshots/index.ts';
import { changedData, comparedFiles } from '../compared-files.ts';
import { findInput, hashCache } from '../find-input.ts';
import { changedGiven, givenNote, givenValues } from '../given.ts';
import { type AverageRecord, recordedRow } from '../record.ts';
import type { AverageVerdict } from '../verdict.ts';
import { averageMappedInto, storedEntries, withStatistics } from './mapped-outputs.ts';
import { planStates } from './plan-states.ts';
import { findState } from './verify-states.ts';

/** The inputs as state dicts, and the map that their checkpoint proves again. */
interface ProvedInputs {
  readonly tables: readonly StateTable[];
  readonly map: ProvedMap;
}

/** Averages, and compares every byte. */
async function recomputed(
  subject: Model,
  record: AverageRecord,
  template: Model,
  { tables, map }: ProvedInputs,
  signal: AbortSignal,
): Promise<string[]> {
  const { target, findings } = comparedFiles(subject);
  const dtype = record.dtype ?? undefined;
  const stored = storedEntries({ template, map, dtype }).stored.map(({ tensor }) => tensor);
  const given = record.given && givenValues(subject, template, stored, record.given.tensors);
  const coefficients = record.inputs.map(({ coefficient }) => coefficient);
  await averageMappedInto(
    {
      tables,
      steps: record.inputs.map(({ step }) => step ?? undefined),
      plan: withStatistics(planStates(tables, record.bn), map, record.bn),
      bn: record.bn,
      rows: [recordedRow(record, coefficients)],
      dtype,
      version: record.version,
      allowNonfinite: record.allow_nonfinite,
      template,
      map,
      given: [given],
      chosenBy: record.chosen_by,
      // It was measured, or inherited: taken as it is.
      carried: recordAs(template, recordedText(subject)),
      summary: record.map as MapSummary,
      signal,
    },
    [target],
  );
  return [...changedGiven(subject.path, stored, given, record.given), ...findings()];
}

interface Opener {
  /** Has it closed in the end. */
  readonly kept: <T extends { close(): void }>(one: T) => T;
  readonly pathOf: (input: number) => string;
}

/** ONNX files among the inputs are opened when the map is proved, which they are read by. */
function openInputs(
  { inputs, template_of }: AverageRecord,
  template: Model,
  referencePath: string,
  { kept, pathOf }: Opener,
): ProvedInputs {
  const of = template_of as RecordedFile;
  const same = inputs.findIndex((input) => input.sha256 === of.sha256 && input.state === of.state);
  const checkpoints = inputs.map((input, i) =>
    input.state === MODEL_STATE ? undefined : kept(openState(pathOf(i), { state: input.state })),
  );
  const others = checkpoints.filter((table) => table !== undefined);
  const byNames = (): StateTable => {
    const table = tableByNames(kept(openModel(referencePath)), others[0] as StateTable);
    if (typeof table !== 'string') return table;
    throw new TemperError('MISMATCH_TENSOR', `${referencePath}: has no ${table}, as the checkpoints have`);
  };
  const proving =
    of.state === MODEL_STATE ? byNames() : (checkpoints[same] ?? kept(openState(referencePath, { state: of.state })));
  const map = proveMap(template, [() => [proving]], others);
  if (others.length === inputs.length) return { tables: others, map };
  const tables = inputs.map((_, i): StateTable => {
    const table = checkpoints[i] ?? (i === same ? proving : tableOfModel(kept(openModel(pathOf(i))), template, map));
    return onlyMapped(table, map);
  });
  return { tables, map: { ...map, reference: tables[same] ?? proving } };
}

/**
 * Recomputes an average of checkpoints in a template from its record.
 * @throws TemperError INPUT_NOT_FOUND if an input, the template or its checkpoint is missing; and as averageCheckpoints
 */
export async function verifyMapped(
  subject: Model,
  record: AverageRecord,
  nearby: readonly string[],
  signal: AbortSignal,
): Promise<AverageVerdict> {
  const { path } = subject;
  const folders = [dirname(path), ...nearby];
  const hashOf = hashCache();
  const [file, of] = [record.template_file, record.template_of] as [RecordedFile, RecordedFile];
  const state = (recorded: RecordedFile) => findState(recorded, folders, path, hashOf);
  const found = record.inputs.map(state);
  const template = findInput(file, folders, path, hashOf, (at, own) => changedData(at, own, hashOf));
  const reference = state(of);
  const changed = [...found, template, reference].flatMap(({ finding }) => finding ?? []);
  if (changed.length > 0) return { file: path, ok: false, findings: changed };
  const opened: { close(): void }[] = [];
  const kept = <T extends { close(): void }>(one: T): T => {
    opened.push(one);
    return one;
  };
  try {
    const graph = kept(openModel(template.path));
    const pathOf = (i: number): string => (found[i] as { path: string }).path;
    const inputs = openInputs(record, graph, reference.path, { kept, pathOf });
    const findings = await recomputed(subject, record, graph, inputs, signal);
    const ok = findings.length === 0;
    return { file: path, ok, findings, ...(record.given ? { notes: [givenNote(record.given)] } : {}) };
  } finally {
    for (const one of opened) one.close();
  }
}
