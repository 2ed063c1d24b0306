import { basename } from 'node:path';
import { TemperError } from '../../core/index.ts';
import type { Model, TensorRecord } from '../read/model.ts';
import { tensorsOfModel } from '../read/scopes.ts';

/** A stretch of an output's data file. */
export interface DataPart {
  readonly record: TensorRecord;
  readonly offset: number;
  readonly byteLength: number;
}

/** Tensors of a page or more start at one, so that runtimes can map them (onnx: "offset SHOULD be a multiple of 4096"). */
const PAGE_BYTES = 4096;
const SMALL_ALIGNMENT_BYTES = 16;
/**
 * Tied weights may lie in one region, and each gets its own; a hostile file could fill the disk with one region for all.
 * (A wider storage type doubles or quadruples the bytes.)
 */
const MAX_DATA_GROWTH = 8;

/** `<name>.<16 hex of its SHA-256>.data`: no kill between two renames can marry an old model to new weights. */
export function dataFileName(modelPath: string, sha256: string): string {
  return `${basename(modelPath)}.${sha256.slice(0, 16)}.data`;
}

/** The name of the model that a data file was written for: the model may have been renamed since. */
export function modelNameOf(dataFile: string): string | undefined {
  return /^(.+)\.[0-9a-f]{16}\.data$/s.exec(dataFile)?.[1];
}

/**
 * Lays out an output's one data file: the external tensors of a model, in the order of its own data files.
 * @param byteLengthOf bytes of a tensor in the output; undefined leaves it out
 * @throws TemperError FORMAT_LIMIT, FORMAT_EXTERNAL_DATA, INPUT_NOT_FOUND
 */
export function layOutExternal(model: Model, byteLengthOf: (record: TensorRecord) => number | undefined): DataPart[] {
  const order = new Map(model.externalLocations.map((location, i) => [location, i]));
  const external = [...tensorsOfModel(model.record)].flatMap((record) => {
    const byteLength = record.payload.kind === 'external' ? byteLengthOf(record) : undefined;
    return record.payload.kind === 'external' && byteLength !== undefined
      ? [{ record, payload: record.payload, byteLength }]
      : [];
  });
  external.sort(
    (a, b) =>
      (order.get(a.payload.location) as number) - (order.get(b.payload.location) as number) ||
      a.payload.offset - b.payload.offset ||
      a.record.message.start - b.record.message.start,
  );
  const held = model.externalLocations.reduce((sum, location) => sum + model.external(location).size, 0);
  const limit = MAX_DATA_GROWTH * held + PAGE_BYTES * external.length;
  let end = 0;
  return external.map(({ record, byteLength }) => {
    const alignment = byteLength >= PAGE_BYTES ? PAGE_BYTES : SMALL_ALIGNMENT_BYTES;
    const offset = Math.ceil(end / alignment) * alignment;
    end = offset + byteLength;
    if (end > limit) {
      throw new TemperError(
        'FORMAT_LIMIT',
        `${model.path}: its tensors share so much external data that the output would be over ${MAX_DATA_GROWTH} times as large`,
        { hint: 'Export the model with one region for each tensor.', details: { path: model.path, limit } },
      );
    }
    return { record, offset, byteLength };
  });
}
