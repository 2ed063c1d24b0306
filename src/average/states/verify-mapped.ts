import { dirname } from 'node:path';
import { type Model, openModel } from '../../onnx/index.ts';
import { recordAs, recordedText } from '../../signature/index.ts';
import { type MapSummary, openState, proveMap, type RecordedFile, type StateTable } from '../../snapshots/index.ts';
import { changedData, comparedFiles } from '../compared-files.ts';
import { findInput, hashCache } from '../find-input.ts';
import { changedGiven, givenNote, givenValues } from '../given.ts';
import { type AverageRecord, recordedRow } from '../record.ts';
import type { AverageVerdict } from '../verdict.ts';
import { averageMappedInto, storedEntries, withStatistics } from './mapped-outputs.ts';
import { planStates } from './plan-states.ts';
import { findState } from './verify-states.ts';

/** Proves the map again, averages, and compares every byte. */
async function recomputed(
  subject: Model,
  record: AverageRecord,
  template: Model,
  reference: StateTable,
  tables: readonly StateTable[],
  signal: AbortSignal,
): Promise<string[]> {
  const { target, findings } = comparedFiles(subject);
  const map = proveMap(template, [() => [reference]], tables);
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

/**
 * Recomputes an average of checkpoints in a template from its record.
 * @throws TemperError INPUT_NOT_FOUND if an input, the template or its checkpoint is missing; and as averageCheckpoints
 */
export async function verifyMapped(
  subject: Model,
  record: AverageRecord,
  inputs: readonly string[],
  signal: AbortSignal,
): Promise<AverageVerdict> {
  const { path } = subject;
  const folders = [dirname(path), ...inputs];
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
    const tables = record.inputs.map((input, i) =>
      kept(openState((found[i] as { path: string }).path, { state: input.state })),
    );
    const same = record.inputs.findIndex((input) => input.sha256 === of.sha256 && input.state === of.state);
    const proving = tables[same] ?? kept(openState(reference.path, { state: of.state }));
    const findings = await recomputed(subject, record, kept(openModel(template.path)), proving, tables, signal);
    const ok = findings.length === 0;
    return { file: path, ok, findings, ...(record.given ? { notes: [givenNote(record.given)] } : {}) };
  } finally {
    for (const one of opened) one.close();
  }
}
