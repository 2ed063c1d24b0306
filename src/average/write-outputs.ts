import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import {
  type AtomicFile,
  type ByteSource,
  type FileSource,
  openAtomic,
  outputExists,
  TemperError,
} from '../core/index.ts';
import { dataFileName, delimitedMetadata, type Model, nextStepKey, rawLocation, type Segment } from '../onnx/index.ts';
import type { Carried } from '../signature/index.ts';
import { type Hashing, hashRest } from './hash-files.ts';
import { layOutData, layOutModel, type StoredTensor } from './output-layout.ts';
import type { AverageRecord } from './record.ts';
import type { Row } from './rows/row.ts';
import type { Sink, TensorStream } from './stream.ts';

/** An output's two files while they are written: the model, and its external data where the template has some. */
export interface OutputFiles {
  /** The output's name, from which its data file's name is made. */
  readonly path: string;
  openModel(): Sink & Pick<AtomicFile, 'sha256' | 'discard'>;
  openData(): Sink & Pick<AtomicFile, 'sha256' | 'discard'>;
}

/** What one row became, before it is published. */
export interface WrittenOutput {
  readonly row: Row;
  readonly record: AverageRecord;
  readonly model: ReturnType<OutputFiles['openModel']>;
  readonly data: { readonly file: ReturnType<OutputFiles['openData']>; readonly location: string } | undefined;
}

/** What outputs are written from: a template's bytes, and new values in slots. */
export interface OutputJob {
  readonly template: Model;
  /** Tensors of the template that get new values; a slot each. */
  readonly stored: readonly StoredTensor[];
  readonly rows: readonly Row[];
  /** Carries the template's other bytes over. */
  readonly stream: TensorStream;
  /** Writes a slot's values to every output. */
  readonly slot: (slot: number, sinks: readonly Sink[]) => Promise<void>;
  /** Files that are hashed beside the sum. */
  readonly files: readonly FileSource[];
  /** The hashing of the first of them, where it was begun before. */
  readonly begun?: Hashing | undefined;
  /** @throws TemperError INPUT_CHANGED if one of them was written to */
  readonly assertUnchanged: () => void;
  /** What an output says of itself, once all is written. @param digests SHA-256 of the files in their order */
  readonly recordOf: (row: number, digests: readonly string[]) => AverageRecord;
  /** What becomes of the template's preprocessing; undefined: nothing. */
  readonly carried?: (Pick<Carried, 'edits' | 'metadata'> & Partial<Pick<Carried, 'later'>>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The files of a model, opened: the model itself first. */
export function filesOf(model: Model): FileSource[] {
  return [model.source, ...model.externalLocations.map((location) => model.external(location))] as FileSource[];
}

/** The first files' digests, of a model with its data. */
export function modelDigests(model: Model, digests: readonly string[]) {
  const [sha256 = '', ...data] = digests;
  return {
    sha256,
    data: model.externalLocations.map((location, i) => ({ location, sha256: data[i] as string })),
    file: basename(model.path),
  };
}

const PADDING = new Uint8Array(4096);

/** Writes every row's data file; they have one layout. Returns their names. */
async function writeData({ template, stored, stream, slot: write }: OutputJob, files: readonly OutputFiles[]) {
  const parts = layOutData(template, stored);
  if (parts.length === 0) return { parts, outputs: undefined };
  const sinks = files.map((file) => file.openData());
  for (const { record, offset, byteLength, slot } of parts) {
    for (const sink of sinks) sink.write(PADDING.subarray(0, offset - sink.size));
    if (slot !== undefined) await write(slot, sinks);
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
 * Writes outputs of one template, all rows in one pass, without publishing them. Files are hashed beside. On any failure nothing is left.
 * @throws TemperError NUMERIC_*, FORMAT_*, INPUT_CHANGED, OUTPUT_WRITE, INTERRUPTED
 */
export async function writeInto(job: OutputJob, files: readonly OutputFiles[]): Promise<WrittenOutput[]> {
  const { template, stored, stream, rows } = job;
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
  const hashing = hashRest(job.files, job.begun);
  try {
    const { parts, outputs: data } = await writeData(job, tracked);
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
      await job.slot(segment.slot, sinks);
      for (const i of positions.keys()) positions[i] = (positions[i] as number) + 1;
    }
    const digests = await hashing.finish();
    job.signal?.throwIfAborted();
    job.assertUnchanged();
    return rows.map((row, i) => {
      const record = job.recordOf(i, digests);
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
    if (!job.signal?.aborted) job.assertUnchanged();
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
export function checkTargets(files: readonly string[], paths: readonly string[], force: boolean): void {
  const inputs = new Set(files.map((path) => realpathSync(path)));
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
 * Writes outputs and publishes them: data files appear before the models that name them, each whole or not at all.
 * @param inputs files that no output may be
 * @param write what writes them without publishing
 * @throws TemperError OUTPUT_EXISTS, OUTPUT_IS_INPUT, OUTPUT_WRITE, and what `write` throws
 */
export async function publishOutputs(
  inputs: readonly FileSource[],
  paths: readonly string[],
  force: boolean,
  write: (files: readonly OutputFiles[]) => Promise<WrittenOutput[]>,
): Promise<PublishedOutput[]> {
  checkTargets(
    inputs.map(({ path }) => path),
    paths,
    force,
  );
  const written = await write(
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
