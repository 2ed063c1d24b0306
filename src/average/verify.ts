import { type Dirent, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import {
  type ByteSource,
  controlOf,
  type JobControl,
  openFile,
  readError,
  sha256OfOpened,
  TemperError,
} from '../core/index.ts';
import { type Model, matchGraphs, modelNameOf, openModel, readPayload, type TensorRecord } from '../onnx/index.ts';
import { recordAs, recordedText } from '../signature/index.ts';
import { averageInto, givenRecord, type OutputFiles } from './average-files.ts';
import { type AverageRecord, type RecordedInput, readRecord, recordedRow } from './record.ts';
import { planTensors, type TensorPlan } from './tensor-plan.ts';

export interface VerifyAverageOptions {
  /** A model that averageCheckpoints wrote. */
  readonly file: string;
  /** Where to look for its snapshots, besides its own folder. @default [] */
  readonly inputs?: readonly string[] | undefined;
}

export interface AverageVerdict {
  readonly file: string;
  readonly ok: boolean;
  /** One line per finding. */
  readonly findings: readonly string[];
  /** What was not recomputed, and why; absent where everything was. */
  readonly notes?: readonly string[];
}

/** How deep snapshots are looked for below a folder: run folders hold `fold_1/epoch_3.onnx`, not more. */
const SEARCH_DEPTH = 2;

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    throw readError(folder, error);
  }
}

function* filesNamed(folder: string, name: string, depth: number): Generator<string> {
  for (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && depth > 0) yield* filesNamed(path, name, depth - 1);
    else if (entry.name === name) yield path;
  }
}

function sha256Of(path: string): string {
  const file = openFile(path);
  try {
    return sha256OfOpened(file);
  } finally {
    file.close();
  }
}

type HashOf = (path: string) => string;

/** Hashes each file once: a hostile record may name one large file 10,000 times. */
function hashCache(): HashOf {
  const hashes = new Map<string, string>();
  return (path) => {
    const hash = hashes.get(path) ?? sha256Of(path);
    hashes.set(path, hash);
    return hash;
  };
}

/** The data files of a snapshot that are not those that were averaged. */
function changedData(path: string, input: RecordedInput, hashOf: HashOf): string[] {
  const model = openModel(path);
  try {
    const known = new Map(input.data?.map(({ location, sha256 }) => [location, sha256]));
    return model.externalLocations.filter((at) => hashOf(model.external(at).path) !== known.get(at));
  } finally {
    model.close();
  }
}

/**
 * The file that an input was, by its name and the hashes of the model and of its data (exporters name every snapshot's
 * data file alike, so that model files may be the same bytes); failing that, the nearest to it, and what differs.
 */
function findInput(
  input: RecordedInput,
  folders: readonly string[],
  modelPath: string,
  hashOf: HashOf,
): { path: string; finding?: string } {
  let nearest: { path: string; finding: string; sameModel: boolean } | undefined;
  for (const [i, folder] of folders.entries()) {
    for (const path of filesNamed(folder, basename(input.file), i === 0 ? 0 : SEARCH_DEPTH)) {
      const sameModel = hashOf(path) === input.sha256;
      const changed = sameModel ? changedData(path, input, hashOf) : [];
      if (sameModel && changed.length === 0) return { path };
      if (nearest?.sameModel || (nearest && !sameModel)) continue;
      const finding = sameModel
        ? `${path}: its data file ${changed.join(', ')} has changed`
        : `${path}: is not the ${input.file} that was averaged (SHA-256 differs)`;
      nearest = { path, finding, sameModel };
    }
  }
  if (nearest) return nearest;
  throw new TemperError('INPUT_NOT_FOUND', `${modelPath}: its input ${input.file} is not in ${folders.join(', ')}`, {
    hint: 'Say where the snapshots are: `inputs` DIR.',
    details: { path: modelPath, file: input.file, sha256: input.sha256 },
  });
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

/** Compares what is written with a file, and remembers the first byte that differs. */
function comparison(open: () => ByteSource) {
  const expected = open();
  let size = 0;
  let difference: number | undefined;
  return {
    get size() {
      return size;
    },
    get difference() {
      return difference ?? (size === expected.size ? undefined : Math.min(size, expected.size));
    },
    write(bytes: Uint8Array) {
      if (difference === undefined) {
        const length = Math.min(bytes.length, Math.max(0, expected.size - size));
        const there = Buffer.alloc(length);
        expected.readInto(there, size);
        const at = there.findIndex((byte, i) => byte !== bytes[i]);
        if (at >= 0) difference = size + at;
        else if (length < bytes.length) difference = size + length;
      }
      size += bytes.length;
    },
    discard() {},
  };
}

/** Compares what is written with what is there, file by file. Nothing is kept. */
function comparedFiles(subject: Model): {
  readonly target: OutputFiles;
  /** What differs, once all is written. */
  readonly findings: () => string[];
} {
  const { path } = subject;
  const [location] = subject.externalLocations;
  const model = comparison(() => subject.source);
  const data = location === undefined ? undefined : comparison(() => subject.external(location));
  const hashOfData = location === undefined ? '' : sha256Of(subject.external(location).path);
  const opened = (file: typeof model, sha256: string) => ({
    ...file,
    get size() {
      return file.size;
    },
    sha256: () => sha256,
  });
  return {
    target: {
      path: (location && modelNameOf(location)) ?? path,
      openModel: () => opened(model, ''),
      openData: () => {
        if (data) return opened(data, hashOfData);
        throw new TemperError('MISMATCH_VALUE', `${path}: has no external data, but its inputs have`);
      },
    },
    findings: () =>
      (
        [
          [path, model],
          [location, data],
        ] as const
      ).flatMap(([file, result]) =>
        result?.difference === undefined
          ? []
          : `${file}: differs from the recomputed average at byte ${result.difference}`,
      ),
  };
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
  const subject = openModel(path);
  const models: Model[] = [];
  try {
    const { record } = readRecord(subject);
    const hashOf = hashCache();
    const found = record.inputs.map((input) => findInput(input, [dirname(path), ...inputs], path, hashOf));
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
