import type { AtomicFile } from './atomic-write.ts';
import { type ByteSource, readBytes } from './byte-source.ts';
import { TemperError } from './errors.ts';
import { HEAD_BYTES, otherKind } from './file-kind.ts';

/**
 * The safetensors format (https://huggingface.co/docs/safetensors): eight bytes of header length, little-endian; a JSON
 * header of tensors by name; their bytes, without holes. Types in the order in which the reference library lays tensors
 * out: by falling item size, so that each tensor is aligned to its items. F16 and BF16 are bit patterns, BOOL bytes.
 */
const ARRAYS = {
  U64: BigUint64Array,
  I64: BigInt64Array,
  F64: Float64Array,
  F32: Float32Array,
  U32: Uint32Array,
  I32: Int32Array,
  BF16: Uint16Array,
  F16: Uint16Array,
  U16: Uint16Array,
  I16: Int16Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
} as const;

export type SafetensorsType = keyof typeof ARRAYS;
export type SafetensorsArray = InstanceType<(typeof ARRAYS)[SafetensorsType]>;

const TYPES = Object.keys(ARRAYS) as SafetensorsType[];
/** Bytes of an element. */
export const itemBytesOf = (dtype: SafetensorsType): number => ARRAYS[dtype].BYTES_PER_ELEMENT;

const LENGTH_BYTES = 8;
/** The header is padded to it by default, so that the data begins aligned for every type. */
const ALIGNMENT = 8;
/** Some hundred thousand tensors. The reference library allows 100 MB, of which JSON would make a gigabyte of objects. */
const MAX_HEADER_BYTES = 16 << 20;
/** One read; larger tensors are read by ranges of rows. */
const MAX_READ_BYTES = 2 ** 30;
const METADATA = '__metadata__';

/** A tensor as the header declares it. */
interface SafetensorsEntry {
  readonly name: string;
  readonly dtype: SafetensorsType;
  readonly shape: readonly number[];
  /** Where its bytes begin in the file. */
  readonly offset: number;
  readonly bytes: number;
}

export interface SafetensorsFile {
  readonly path: string;
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
  /**
   * Values of a tensor, in row-major order; by default all of them.
   * @param start first row (index of the first axis)
   * @param end the row after the last
   * @throws TemperError FORMAT_MALFORMED for a name that the file does not have; FORMAT_LIMIT over 1 GiB in one read;
   *   FORMAT_TRUNCATED; INPUT_UNREADABLE
   */
  read(name: string, start?: number, end?: number): SafetensorsArray;
}

export interface SafetensorsTensor {
  readonly name: string;
  readonly dtype: SafetensorsType;
  readonly shape: readonly number[];
  /** Its values (F16 and BF16 as bit patterns) in row-major order, whole or in pieces. */
  readonly data: ArrayBufferView | Iterable<ArrayBufferView>;
}

const elements = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1);

/** By type, then by name as UTF-8 bytes: what the reference library writes. */
const inFileOrder = (a: Omit<SafetensorsTensor, 'data'>, b: Omit<SafetensorsTensor, 'data'>): number =>
  TYPES.indexOf(a.dtype) - TYPES.indexOf(b.dtype) || Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));

/** JSON of an object whose keys keep their order, whatever they are ("0" would come first in a JavaScript object). */
const jsonObject = (entries: readonly (readonly [string, unknown])[]): string =>
  `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`;

function headerOf(
  tensors: readonly Omit<SafetensorsTensor, 'data'>[],
  metadata: ReadonlyMap<string, string>,
  alignment: number,
): Buffer {
  let end = 0;
  const members = tensors.map(({ name, dtype, shape }): readonly [string, unknown] => {
    const start = end;
    end += elements(shape) * itemBytesOf(dtype);
    return [name, { dtype, shape, data_offsets: [start, end] }];
  });
  const names = new Set(tensors.map(({ name }) => name));
  if (names.size < tensors.length || names.has(METADATA))
    throw new RangeError('tensors of one name, or a reserved one');
  const sorted = [...metadata].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const json = Buffer.from(
    jsonObject([...(sorted.length > 0 ? [[METADATA, Object.fromEntries(sorted)] as const] : []), ...members]),
  );
  const dataStart = Math.ceil((LENGTH_BYTES + json.length) / alignment) * alignment;
  const padded = Buffer.alloc(dataStart - LENGTH_BYTES, ' ');
  json.copy(padded);
  return padded;
}

const viewBytes = (view: ArrayBufferView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

/** A safetensors file up to its data: the bytes, and the order in which the tensors follow. */
interface SafetensorsHead<T> {
  readonly bytes: Uint8Array;
  readonly ordered: readonly T[];
}

/** Lays a file out, for whoever writes the data itself, tensor by tensor without holes. As {@link writeSafetensors}. */
export function safetensorsHead<T extends Omit<SafetensorsTensor, 'data'>>(
  tensors: readonly T[],
  metadata: ReadonlyMap<string, string> = new Map(),
  alignment = ALIGNMENT,
): SafetensorsHead<T> {
  const ordered = [...tensors].sort(inFileOrder);
  const header = headerOf(ordered, metadata, alignment);
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeBigUInt64LE(BigInt(header.length));
  return { bytes: Buffer.concat([length, header]), ordered };
}

/**
 * Writes tensors in canonical order (by falling item size, then by name; metadata by key): the same content is the same
 * bytes, whatever order it comes in, and the bytes that the reference library writes. Nothing is held but the header.
 * @param alignment the data begins at a multiple of it (the header is padded with spaces); 8 is the reference library's
 * @throws TemperError OUTPUT_WRITE
 */
export function writeSafetensors(
  file: AtomicFile,
  tensors: readonly SafetensorsTensor[],
  metadata: ReadonlyMap<string, string> = new Map(),
  alignment = ALIGNMENT,
): void {
  const { bytes, ordered } = safetensorsHead(tensors, metadata, alignment);
  file.write(bytes);
  for (const { name, dtype, shape, data } of ordered) {
    const start = file.size;
    for (const view of ArrayBuffer.isView(data) ? [data] : data) file.write(viewBytes(view));
    const [written, declared] = [file.size - start, elements(shape) * itemBytesOf(dtype)];
    if (written !== declared) throw new RangeError(`${name}: ${written} bytes for ${dtype} [${shape.join(', ')}]`);
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Colons outside of strings: the members of all objects, duplicates included (which JSON.parse drops silently). */
function countMembers(json: Uint8Array): number {
  let members = 0;
  let inString = false;
  for (let i = 0; i < json.length; i++) {
    const byte = json[i];
    if (byte === 0x22) inString = !inString;
    else if (!inString) members += byte === 0x3a ? 1 : 0;
    else if (byte === 0x5c) i++;
  }
  return members;
}

const HINT = 'Copy or write the file again; it is no safetensors file, or a damaged one.';

/** @throws what openSafetensors throws */
function readHeader(source: ByteSource): { header: Record<string, unknown>; dataStart: number } {
  const { path, size } = source;
  const length = Buffer.from(readBytes(source, 0, LENGTH_BYTES)).readBigUInt64LE();
  if (length > MAX_HEADER_BYTES) {
    const other = otherKind(path, readBytes(source, 0, Math.min(HEAD_BYTES, size)), 'a safetensors file', [
      'safetensors',
    ]);
    if (other) throw other;
    const what = `${path}: a header of ${length} bytes, at most ${MAX_HEADER_BYTES} are read`;
    throw new TemperError('FORMAT_LIMIT', what, { hint: HINT, details: { path, found: String(length) } });
  }
  const malformed = (what: string, cause?: unknown): TemperError =>
    new TemperError('FORMAT_MALFORMED', `${path}: the header ${what}`, { hint: HINT, details: { path, size }, cause });
  const json = readBytes(source, LENGTH_BYTES, Number(length));
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(json));
  } catch (error) {
    throw malformed('is no JSON in UTF-8', error);
  }
  if (!isObject(header)) throw malformed('is no JSON object');
  const objects = [header, ...Object.values(header).filter(isObject)];
  const distinct = objects.reduce((sum, object) => sum + Object.keys(object).length, 0);
  if (countMembers(json) !== distinct) throw malformed('has a name twice, or objects where none belong');
  return { header, dataStart: LENGTH_BYTES + json.length };
}

/**
 * Reads the header of a safetensors file; values are read on demand.
 *
 * Refused: names that occur twice, tensors that overlap or leave holes, bytes that do not agree with type and shape, and a
 * data region that ends before or after the last tensor. Memory: the header, at most 16 MiB and its objects.
 * @throws TemperError FORMAT_TRUNCATED, FORMAT_MALFORMED, FORMAT_LIMIT, UNSUPPORTED_DATA_TYPE, INPUT_UNREADABLE
 */
export function openSafetensors(source: ByteSource): SafetensorsFile {
  const { path, size } = source;
  const { header, dataStart } = readHeader(source);
  const malformed = (name: string, what: string): TemperError =>
    new TemperError('FORMAT_MALFORMED', `${path}: ${name}: ${what}`, { hint: HINT, details: { path, name } });

  const entryOf = ([name, value]: [string, unknown]): SafetensorsEntry => {
    if (!isObject(value) || Object.keys(value).length !== 3)
      throw malformed(name, 'is no {dtype, shape, data_offsets}');
    const { dtype, shape, data_offsets: offsets } = value;
    const type = TYPES.find((known) => known === dtype);
    if (type === undefined) {
      const what = `${path}: ${name}: type ${JSON.stringify(dtype)}, known are ${TYPES.join(', ')}`;
      throw new TemperError('UNSUPPORTED_DATA_TYPE', what, {
        hint: 'Convert the tensor to one of these types.',
        details: { path, name, dtype },
      });
    }
    if (!Array.isArray(shape) || !shape.every(isCount)) throw malformed(name, 'its shape is no list of sizes');
    if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
      throw malformed(name, 'its data_offsets are no [start, end]');
    }
    const [start, end] = offsets as [number, number];
    const bytes = elements(shape) * itemBytesOf(type);
    if (bytes !== end - start) {
      throw malformed(name, `bytes ${start} to ${end}, but ${type} [${shape.join(', ')}] takes ${bytes}`);
    }
    return { name, dtype: type, shape, offset: dataStart + start, bytes };
  };

  const { [METADATA]: declared = {}, ...members } = header;
  if (!isObject(declared)) throw malformed(METADATA, 'is no object');
  const metadata = new Map<string, string>();
  for (const [key, value] of Object.entries(declared)) {
    if (typeof value !== 'string') throw malformed(METADATA, `the value of ${key} is no string`);
    metadata.set(key, value);
  }
  const entries = Object.entries(members)
    .map(entryOf)
    .sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  let end = dataStart;
  for (const { name, offset, bytes } of entries) {
    if (offset !== end)
      throw malformed(name, `begins at byte ${offset}, expected ${end}: tensors overlap or leave a hole`);
    end += bytes;
  }
  if (end > size) {
    const what = `${path}: the tensors end at byte ${end}, but the file has ${size} bytes`;
    throw new TemperError('FORMAT_TRUNCATED', what, { hint: HINT, details: { path, size, expected: end } });
  }
  if (end < size) throw malformed('the end', `${size - end} bytes after the last tensor`);

  const tensors = new Map(entries.map((entry) => [entry.name, entry]));
  return {
    path,
    metadata,
    tensors,
    read(name, start = 0, end) {
      const entry = tensors.get(name);
      if (!entry) throw malformed(name, 'the file has no such tensor');
      const [rows = 1, ...rest] = entry.shape;
      const last = end ?? rows;
      if (!(isCount(start) && isCount(last) && start <= last && last <= rows)) {
        throw new RangeError(`${name}: rows ${start} to ${last} of ${rows}`);
      }
      const row = elements(rest);
      const bytes = (last - start) * row * itemBytesOf(entry.dtype);
      if (bytes > MAX_READ_BYTES) {
        const what = `${path}: ${name}: ${bytes} bytes in one read, at most ${MAX_READ_BYTES}`;
        throw new TemperError('FORMAT_LIMIT', what, { hint: 'Read fewer rows at a time.', details: { path, name } });
      }
      const values = new ARRAYS[entry.dtype]((last - start) * row);
      source.readInto(viewBytes(values), entry.offset + start * row * itemBytesOf(entry.dtype));
      return values;
    },
  };
}
