import { createHash } from 'node:crypto';
import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import {
  type AtomicFile,
  type ByteSource,
  type FileSource,
  type FloatType,
  type OpenedFile,
  openAtomic,
  outputExists,
  TemperError,
} from '../core/index.ts';
import {
  dataFileName,
  delimitedMetadata,
  type Model,
  nextStepKey,
  rawLocation,
  type Segment,
  type TensorRecord,
} from '../onnx/index.ts';
import type { Carried } from '../signature/index.ts';
import { hashFiles } from './hash-files.ts';
import { layOutData, layOutModel, type StoredTensor, storedTensors } from './output-layout.ts';
import type { RequantizationError } from './quantized/requantize.ts';
import type { AverageRecord, RecordedInput } from './record.ts';
import { type Row, rowFields, rowOver } from './rows/row.ts';
import { type Sink, type StreamOptions, TensorStream } from './stream.ts';
import type { TensorPlan, TensorRules } from './tensor-plan.ts';

/** An output's two files while they are written: the model, and its external data where the template has some. */
export interface OutputFiles {
  /** The output's name, from which its data file's name is made. */
  readonly path: string;
  openModel(): Sink & Pick<AtomicFile, 'sha256' | 'discard'>;
  openData(): Sink & Pick<AtomicFile, 'sha256' | 'discard'>;
}

export interface AverageJob extends Pick<StreamOptions, 'allowNonfinite' | 'given' | 'signal' | 'onProgress'> {
  /** In plan order; one coefficient of every row each. */
  readonly models: readonly Model[];
  readonly steps: readonly (number | undefined)[];
  readonly templateIndex: number;
  readonly plan: TensorPlan;
  readonly rules: TensorRules;
  readonly rows: readonly Row[];
  readonly dtype: FloatType | undefined;
  /** Recorded in the output. */
  readonly version: string;
  /** How the average was chosen, recorded as it is. */
  readonly chosenBy?: Readonly<Record<string, unknown>> | undefined;
  /** What becomes of the template's preprocessing; undefined: nothing. */
  readonly carried?: (Pick<Carried, 'edits' | 'metadata'> & Partial<Pick<Carried, 'later'>>) | undefined;
}

interface InputHashes {
  readonly model: string;
  readonly data: readonly { readonly location: string; readonly sha256: string }[];
}

/** What one row became, before it is published. */
export interface WrittenOutput {
  readonly row: Row;
  readonly record: AverageRecord;
  readonly model: ReturnType<OutputFiles['openModel']>;
  readonly data: { readonly file: ReturnType<OutputFiles['openData']>; readonly location: string } | undefined;
}

/** The files of a model, opened: the model itself first. */
function filesOf(model: Model): FileSource[] {
  return [model.source, ...model.externalLocations.map((location) => model.external(location))] as FileSource[];
}

function hashJobs(models: readonly Model[]): OpenedFile[] {
  return models.flatMap((model) => filesOf(model).map(({ path, fd, size }) => ({ path, fd, size })));
}

function hashesByModel(models: readonly Model[], digests: readonly string[]): InputHashes[] {
  let next = 0;
  return models.map((model) => ({
    model: digests[next++] as string,
    data: model.externalLocations.map((location) => ({ location, sha256: digests[next++] as string })),
  }));
}

/** Which tensors hold given values, and what these are, in the order of the plan. */
export function givenRecord(
  { tensors }: TensorPlan,
  given: ReadonlyMap<TensorRecord, Uint8Array>,
): NonNullable<AverageRecord['given']> {
  const hash = createHash('sha256');
  const names: string[] = [];
  for (const { name, template } of tensors) {
    const values = given.get(template);
    if (!values) continue;
    hash.update(values);
    names.push(name);
  }
  return { tensors: names, sha256: hash.digest('hex') };
}

function recordOf(
  job: AverageJob,
  row: Row,
  given: ReadonlyMap<TensorRecord, Uint8Array> | undefined,
  hashes: readonly InputHashes[],
  requantized: RequantizationError | undefined,
): AverageRecord {
  const used = job.models.flatMap((model, i) => {
    const coefficient = row.coefficients[i] as number;
    if (coefficient === 0 && i !== job.templateIndex) return [];
    const { model: sha256, data } = hashes[i] as InputHashes;
    const input: RecordedInput = {
      file: basename(model.path),
      sha256,
      step: job.steps[i] ?? null,
      coefficient,
      ...(data.length > 0 ? { data } : {}),
    };
    return [{ i, input }];
  });
  const at = (input: number): number => used.findIndex(({ i }) => i === input);
  return {
    tool: 'onnx-temper',
    version: job.version,
    command: 'avg-ckpt',
    average: row.name,
    divisor: row.divisor,
    ...rowFields(rowOver(row, [], at)),
    template: at(job.templateIndex),
    // Spelled out: the order of keys is part of the bytes that verify compares.
    bn: job.rules.bn,
    on_int_mismatch: job.rules.onIntMismatch,
    match: job.rules.match,
    dtype: job.dtype ?? null,
    allow_nonfinite: job.allowNonfinite,
    ...(job.rules.quantized === 'float' ? { quantized: 'float' } : {}),
    ...(requantized && requantized.tensors > 0 ? { requantized: requantizedRecord(requantized) } : {}),
    ...(given ? { given: givenRecord(job.plan, given) } : {}),
    ...(job.chosenBy ? { chosen_by: job.chosenBy } : {}),
    inputs: used.map(({ input }) => input),
  };
}

const requantizedRecord = ({ tensors, squaredError, squaredNorm, maxError }: RequantizationError) => ({
  tensors,
  relative_rms_error: squaredNorm > 0 ? Math.sqrt(squaredError / squaredNorm) : 0,
  max_error: maxError,
});

const PADDING = new Uint8Array(4096);

/** Writes every row's data file; they have one layout. Returns their names. */
async function writeData(
  job: AverageJob,
  stored: readonly StoredTensor[],
  stream: TensorStream,
  files: readonly OutputFiles[],
) {
  const template = job.models[job.templateIndex] as Model;
  const parts = layOutData(template, stored);
  if (parts.length === 0) return { parts, outputs: undefined };
  const sinks = files.map((file) => file.openData());
  for (const { record, offset, byteLength, slot } of parts) {
    for (const sink of sinks) sink.write(PADDING.subarray(0, offset - sink.size));
    if (slot !== undefined) await stream.tensor(stored[slot] as StoredTensor, sinks);
    else {
      const { source, offset: start } = rawLocation(template, record) as { source: ByteSource; offset: number };
      await stream.copy(reader(source, start), byteLength, sinks);
    }
  }
  return {
    parts,
    outputs: sinks.map((file, i) => ({ file, location: dataFileName((files[i] as OutputFiles).path, file.sha256()) })),
  };
}

function reader(source: ByteSource, start: number): (into: Uint8Array) => void {
  let position = start;
  return (into) => {
    source.readInto(into, position);
    position += into.length;
  };
}

/** Writes the segments up to the next slot; returns what follows it. */
async function writeUntilSlot(
  template: Model,
  segments: readonly Segment[],
  from: number,
  sink: Sink,
  stream: TensorStream,
): Promise<number> {
  let next = from;
  for (; next < segments.length; next++) {
    const segment = segments[next] as Segment;
    if ('slot' in segment) break;
    if ('bytes' in segment) sink.write(segment.bytes);
    else await stream.copy(reader(template.source, segment.copy.start), segment.copy.end - segment.copy.start, [sink]);
  }
  return next;
}

/**
 * Computes every row in one pass over the snapshots, block by block, and writes the outputs without publishing them.
 * Inputs are hashed beside the sum. On any failure nothing is left.
 *
 * Memory: one block per snapshot and per output (512 KiB each), whatever the size of the model.
 * @throws TemperError NUMERIC_*, FORMAT_*, INPUT_CHANGED, OUTPUT_WRITE, INTERRUPTED
 */
export async function averageInto(job: AverageJob, files: readonly OutputFiles[]): Promise<WrittenOutput[]> {
  const { models, rows } = job;
  const template = models[job.templateIndex] as Model;
  const stored = storedTensors(template, job.plan.tensors, job.dtype);
  const stream = new TensorStream({ ...job, checkVariances: true });
  const opened: Pick<AtomicFile, 'discard'>[] = [];
  const tracked = files.map(
    (file): OutputFiles => ({
      path: file.path,
      openModel: () => track(file.openModel()),
      openData: () => track(file.openData()),
    }),
  );
  function track<T extends Pick<AtomicFile, 'discard'>>(file: T): T {
    opened.push(file);
    return file;
  }
  const hashing = hashFiles(hashJobs(models));
  try {
    const { parts, outputs: data } = await writeData(job, stored, stream, tracked);
    const sinks = tracked.map((file) => file.openModel());
    const layouts = files.map((_, i) =>
      layOutModel(template, stored, parts, data?.[i]?.location ?? '', job.carried?.edits),
    );
    const positions = files.map(() => 0);
    for (;;) {
      for (const [i, sink] of sinks.entries()) {
        positions[i] = await writeUntilSlot(template, layouts[i] as Segment[], positions[i] as number, sink, stream);
      }
      // The layouts have their slots in one order: the template's.
      const segment = layouts[0]?.[positions[0] as number];
      if (segment === undefined || !('slot' in segment)) break;
      await stream.tensor(stored[segment.slot] as StoredTensor, sinks);
      for (const i of positions.keys()) positions[i] = (positions[i] as number) + 1;
    }
    const hashes = hashesByModel(models, await hashing.finish());
    job.signal?.throwIfAborted();
    for (const model of models) model.assertUnchanged();
    const errors = stream.requantizationErrors();
    return rows.map((row, i) => {
      const record = recordOf(job, row, job.given?.[i], hashes, errors[i]);
      const model = sinks[i] as WrittenOutput['model'];
      for (const entry of job.carried?.metadata ?? []) model.write(delimitedMetadata(entry));
      model.write(delimitedMetadata({ key: nextStepKey(template.record), value: JSON.stringify(record) }));
      for (const entry of job.carried?.later ?? []) model.write(delimitedMetadata(entry));
      return { row, record, model, data: data?.[i] };
    });
  } catch (error) {
    await hashing.cancel();
    for (const file of opened) file.discard();
    // A snapshot that is still being written explains whatever was found in it.
    if (!job.signal?.aborted) for (const model of models) model.assertUnchanged();
    throw error;
  }
}

export interface PublishedOutput {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly data: { readonly path: string; readonly bytes: number; readonly sha256: string } | undefined;
  readonly row: Row;
  readonly record: AverageRecord;
}

/** Refuses an output that is there already, or that is one of the inputs under another name. */
function checkTargets(models: readonly Model[], paths: readonly string[], force: boolean): void {
  const inputs = new Set(models.flatMap((model) => filesOf(model).map(({ path }) => realpathSync(path))));
  for (const path of paths) {
    if (!existsSync(path)) continue;
    if (inputs.has(realpathSync(path))) {
      throw new TemperError('OUTPUT_IS_INPUT', `${path}: is one of the snapshots`, {
        hint: 'Choose another output: snapshots are never overwritten.',
        details: { path },
      });
    }
    if (!force) throw outputExists(path);
  }
}

/**
 * Averages snapshots into files: all rows in one pass; data files appear before the models that name them, each whole
 * or not at all.
 * @param paths one output a row
 * @throws TemperError OUTPUT_EXISTS, OUTPUT_IS_INPUT, and as averageInto
 */
export async function averageFiles(
  job: AverageJob,
  paths: readonly string[],
  force: boolean,
): Promise<PublishedOutput[]> {
  checkTargets(job.models, paths, force);
  const written = await averageInto(
    job,
    paths.map((path) => ({
      path,
      openModel: () => openAtomic(path),
      openData: () => openAtomic(path),
    })),
  );
  const files = written.flatMap(({ model, data }) => (data ? [data.file, model] : [model])) as AtomicFile[];
  try {
    // sha256() writes what is still buffered: a full disk shows before the first output appears.
    for (const file of files) file.sha256();
    return written.map((output, i) => publish(output, paths[i] as string, force));
  } catch (error) {
    for (const file of files) file.discard();
    throw error;
  }
}

function publish({ row, record, model, data }: WrittenOutput, path: string, force: boolean): PublishedOutput {
  const dataPath = data && join(dirname(path), data.location);
  // A data file of this name has this content: to replace it changes nothing.
  if (data && dataPath) (data.file as AtomicFile).publish({ force: true, path: dataPath });
  const sha256 = model.sha256();
  (model as AtomicFile).publish({ force });
  return {
    path,
    bytes: model.size,
    sha256,
    data: data && dataPath ? { path: dataPath, bytes: data.file.size, sha256: data.file.sha256() } : undefined,
    row,
    record,
  };
}
