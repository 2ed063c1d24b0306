import { dirname } from 'node:path';
import { controlOf, type JobControl } from '../core/index.ts';
import { type Model, openModel } from '../onnx/index.ts';
import { recordAs, recordedText } from '../signature/index.ts';
import { isWrittenState } from '../snapshots/index.ts';
import { averageInto } from './average-files.ts';
import { changedData, comparedFiles } from './compared-files.ts';
import { findInput, hashCache } from './find-input.ts';
import { changedGiven, givenNote, givenValues } from './given.ts';
import { type AverageRecord, readRecord, recordedRow } from './record.ts';
import { verifyMapped } from './states/verify-mapped.ts';
import { verifyState } from './states/verify-states.ts';
import { planTensors } from './tensor-plan.ts';
import type { AverageVerdict } from './verdict.ts';

export interface VerifyAverageOptions {
  /** A model that averageCheckpoints wrote. */
  readonly file: string;
  /** Where to look for its snapshots, besides its own folder. @default [] */
  readonly inputs?: readonly string[] | undefined;
}

/** Computes the average again from its inputs and says where the file differs. */
async function recomputed(
  subject: Model,
  record: AverageRecord,
  models: readonly Model[],
  signal: AbortSignal,
): Promise<string[]> {
  const { bn, on_int_mismatch: onIntMismatch, match, quantized, inputs } = record;
  const rules = { bn, onIntMismatch, match, quantized };
  const { target, findings } = comparedFiles(subject);
  const plan = planTensors(models, record.template, rules);
  const given =
    record.given && givenValues(subject, models[record.template] as Model, plan.tensors, record.given.tensors);
  await averageInto(
    {
      models,
      steps: inputs.map(({ step }) => step ?? undefined),
      templateIndex: record.template,
      plan,
      rules,
      given: [given],
      chosenBy: record.chosen_by,
      // It was measured, or inherited: taken as it is.
      carried: recordAs(models[record.template] as Model, recordedText(subject)),
      rows: [
        recordedRow(
          record,
          inputs.map(({ coefficient }) => coefficient),
        ),
      ],
      dtype: record.dtype ?? undefined,
      version: record.version,
      allowNonfinite: record.allow_nonfinite,
      signal,
    },
    [target],
  );
  return [...changedGiven(subject.path, plan.tensors, given, record.given), ...findings()];
}

/**
 * Recomputes an average from its record and its inputs, and compares every byte. Values that were measured on data cannot be
 * recomputed without it: they are compared with the hash that the record gives.
 * @throws TemperError INPUT_NOT_FOUND if an input is missing; UNSUPPORTED_GRAPH, FORMAT_MALFORMED for a file that is no average;
 * and as averageCheckpoints
 * @example
 * const { ok, findings } = await verifyAverage({ file: 'swa.onnx', inputs: ['run/'] });
 * if (!ok) throw new Error(findings.join('\n'));
 */
export async function verifyAverage(
  { file: path, inputs = [] }: VerifyAverageOptions,
  control: JobControl = {},
): Promise<AverageVerdict> {
  const { note, signal } = controlOf(control);
  if (isWrittenState(path)) return verifyState({ file: path, inputs }, signal);
  const subject = openModel(path);
  const models: Model[] = [];
  try {
    const { record } = readRecord(subject);
    if (record.template_file) {
      const verdict = await verifyMapped(subject, record, inputs, signal);
      for (const text of verdict.notes ?? []) note(text);
      return verdict;
    }
    const hashOf = hashCache();
    const found = record.inputs.map((input) =>
      findInput(input, [dirname(path), ...inputs], path, hashOf, (at, of) => changedData(at, of, hashOf)),
    );
    const findings = found.flatMap(({ finding }) => finding ?? []);
    if (findings.length > 0) return { file: path, ok: false, findings };
    for (const { path: file } of found) models.push(openModel(file, models[0]));

    findings.push(...(await recomputed(subject, record, models, signal)));
    const ok = findings.length === 0;
    if (!record.given) return { file: path, ok, findings };
    const text = givenNote(record.given);
    note(text);
    return { file: path, ok, findings, notes: [text] };
  } finally {
    for (const model of [subject, ...models]) model.close();
  }
}
