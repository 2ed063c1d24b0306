import { dirname } from 'node:path';
import { controlOf, type JobControl } from '../core/index.ts';
import { type Model, matchGraphs, openModel, readPayload, type TensorRecord } from '../onnx/index.ts';
import { recordAs, recordedText } from '../signature/index.ts';
import { isWrittenState } from '../snapshots/index.ts';
import { averageInto, givenRecord } from './average-files.ts';
import { changedData, comparedFiles } from './compared-files.ts';
import { findInput, hashCache } from './find-input.ts';
import { type AverageRecord, readRecord, recordedRow } from './record.ts';
import { verifyMapped } from './states/verify-mapped.ts';
import { verifyState } from './states/verify-states.ts';
import { planTensors, type TensorPlan } from './tensor-plan.ts';
import type { AverageVerdict } from './verdict.ts';

export interface VerifyAverageOptions {
  /** A model that averageCheckpoints wrote. */
  readonly file: string;
  /** Where to look for its snapshots, besides its own folder. @default [] */
  readonly inputs?: readonly string[] | undefined;
}

/** The values that the subject holds where its record says that they were measured on data: they cannot be recomputed. */
function givenValues(
  subject: Model,
  template: Model,
  { tensors }: TensorPlan,
  names: readonly string[],
): Map<TensorRecord, Uint8Array> {
  const pairs = matchGraphs(template, subject).tensors;
  const wanted = new Set(names);
  return new Map(
    tensors.flatMap(({ name, template: record }) => {
      const own = wanted.has(name) ? pairs.get(record)?.tensor : undefined;
      return own ? [[record, readPayload(subject, own)] as const] : [];
    }),
  );
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
  const given = record.given && givenValues(subject, models[record.template] as Model, plan, record.given.tensors);
  const isOther = given && givenRecord(plan, given).sha256 !== record.given?.sha256;
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
  return [
    ...(isOther
      ? [`${subject.path}: the statistics that were measured on data are not those that were written (SHA-256 differs)`]
      : []),
    ...findings(),
  ];
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
    if (record.template_file) return await verifyMapped(subject, record, inputs, signal);
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
    const count = record.given.tensors.length;
    const text = `${count} tensors were measured on data: compared with their recorded SHA-256, not recomputed`;
    note(text);
    return { file: path, ok, findings, notes: [text] };
  } finally {
    for (const model of [subject, ...models]) model.close();
  }
}
