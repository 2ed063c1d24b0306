import { type ByteSource, readBytes, TemperError } from '../../core/index.ts';
import { findDataType } from './data-type.ts';
import type { Model, Payload, Run, TensorRecord } from './model.ts';
import { rawLocation } from './open-model.ts';
import { elementCount, rawByteLength, storedByteLength } from './tensor-size.ts';
import { malformed, WIRE, WireReader } from './wire.ts';

/** Reads a tensor's values from front to back, in raw_data's form (little-endian, 4-bit and 2-bit types packed). */
export interface PayloadCursor {
  readonly byteLength: number;
  /**
   * Fills `into` with the next bytes.
   * @throws TemperError FORMAT_TRUNCATED, FORMAT_MALFORMED, FORMAT_EXTERNAL_DATA
   */
  read(into: Uint8Array): void;
  /** Passes over bytes unread (back, too), where the values lie in one piece. */
  readonly skip?: (bytes: number) => void;
}

function positional(source: ByteSource, offset: number, byteLength: number): PayloadCursor {
  let position = offset;
  return {
    byteLength,
    read(into) {
      source.readInto(into, position);
      position += into.length;
    },
    skip(bytes) {
      position += bytes;
    },
  };
}

/** Yields the spans of single values, run by run; packed and unpacked may be mixed. */
class TypedReader {
  private readonly reader: WireReader;
  private readonly runs: readonly Run[];
  private readonly wire: 'fixed32' | 'fixed64' | 'varint';
  private index = 0;

  constructor(source: ByteSource, runs: readonly Run[], wire: 'fixed32' | 'fixed64' | 'varint') {
    this.reader = new WireReader(source, (runs.at(-1)?.end ?? 0) - (runs[0]?.start ?? 0));
    this.runs = runs;
    this.wire = wire;
    this.reader.position = runs[0]?.start ?? 0;
  }

  /** The run that the position is in, moving on at its end. */
  private current(): Run | undefined {
    let run = this.runs[this.index];
    while (run && this.reader.position >= run.end) {
      run = this.runs[++this.index];
      if (run) this.reader.position = run.start;
    }
    return run;
  }

  get done(): boolean {
    return this.current() === undefined;
  }

  next(): bigint | Buffer {
    const run = this.current();
    const { reader } = this;
    if (!run) throw malformed(reader.path, reader.position, 'fewer values than dims claim,');
    if (!run.packed) {
      const field = reader.field(run.end);
      if (field.wire !== WIRE[this.wire])
        throw malformed(reader.path, field.tagStart, `wire type ${field.wire} in a typed field`);
      reader.position = field.start;
    }
    if (this.wire === 'varint') return reader.int64(run.end);
    const size = this.wire === 'fixed32' ? 4 : 8;
    if (run.end - reader.position < size)
      throw malformed(reader.path, reader.position, 'a list with a part of a value');
    return reader.bytes({ start: reader.position, end: reader.position + size });
  }
}

/** Packed chunks of float_data or double_data are raw_data in pieces: read by position. */
function packedFixed(model: Model, runs: readonly Run[], valueBytes: number, byteLength: number): PayloadCursor {
  const broken = runs.find((run) => (run.end - run.start) % valueBytes !== 0);
  if (broken) throw malformed(model.path, broken.start, 'a list with a part of a value');
  const found = runs.reduce((sum, run) => sum + run.end - run.start, 0);
  if (found !== byteLength) {
    throw malformed(
      model.path,
      runs[0]?.tagStart ?? 0,
      `typed values of ${found} bytes, expected ${byteLength} by dims and type,`,
    );
  }
  let index = 0;
  let position = runs[0]?.start ?? 0;
  return {
    byteLength,
    read(into) {
      let done = 0;
      while (done < into.length) {
        const run = runs[index] as Run;
        const take = Math.min(run.end - position, into.length - done);
        model.source.readInto(into.subarray(done, done + take), position);
        done += take;
        position += take;
        if (position === run.end) position = runs[++index]?.start ?? 0;
      }
    },
  };
}

/** Typed values decoded one by one into a small buffer, so that a read may end inside a value. */
function typed(
  model: Model,
  payload: Payload & { kind: 'typed' },
  valueBytes: number,
  byteLength: number,
): PayloadCursor {
  const values = new TypedReader(model.source, payload.runs, payload.wire as 'fixed32' | 'fixed64' | 'varint');
  const scratch = Buffer.alloc(8);
  let rest: Buffer = Buffer.alloc(0);
  let left = byteLength;
  return {
    byteLength,
    read(into) {
      let done = 0;
      while (done < into.length) {
        if (rest.length === 0) {
          const value = values.next();
          if (typeof value === 'bigint') {
            scratch.writeBigInt64LE(value);
            rest = scratch.subarray(0, valueBytes);
          } else rest = value;
        }
        const take = Math.min(rest.length, into.length - done);
        into.set(rest.subarray(0, take), done);
        rest = rest.subarray(take);
        done += take;
      }
      left -= into.length;
      if (left === 0 && !values.done)
        throw malformed(model.path, payload.runs[0]?.tagStart ?? 0, 'more values than dims claim');
    },
  };
}

/**
 * Opens a tensor's values for one reading from front to back.
 *
 * Memory: a window of 64 KiB for typed values, nothing for raw and external ones.
 * @throws TemperError UNSUPPORTED_DATA_TYPE for an unknown type and for strings; FORMAT_EXTERNAL_DATA
 */
export function openPayload(model: Model, tensor: TensorRecord): PayloadCursor {
  const { payload } = tensor;
  const type = findDataType(tensor.dataType);
  const byteLength = rawByteLength(tensor);
  if (!type || Number.isNaN(byteLength)) {
    throw new TemperError(
      'UNSUPPORTED_DATA_TYPE',
      `${model.path}: tensor ${JSON.stringify(tensor.name)} of data type ${type?.name ?? tensor.dataType} cannot be decoded`,
      {
        hint: 'ONNX 1.20 defines the types 1 to 26.',
        details: { path: model.path, tensor: tensor.name, dataType: tensor.dataType },
      },
    );
  }
  if (payload.kind === 'none') return { byteLength, read() {} };
  if (payload.kind === 'typed') {
    const fixed = payload.wire !== 'varint' && payload.runs.every((run) => run.packed);
    return fixed
      ? packedFixed(model, payload.runs, type.typedBytes, byteLength)
      : typed(model, payload, type.typedBytes, byteLength);
  }
  const location = rawLocation(model, tensor) as { source: ByteSource; offset: number };
  if (location.offset + byteLength > location.source.size) {
    throw new TemperError(
      'FORMAT_EXTERNAL_DATA',
      `${model.path}: tensor ${JSON.stringify(tensor.name)} wants bytes ${location.offset} to ${location.offset + byteLength} of ${location.source.path}, which has ${location.source.size}`,
      {
        hint: 'Copy the data file again: it is incomplete or belongs to another model.',
        details: { path: location.source.path, tensor: tensor.name },
      },
    );
  }
  return positional(location.source, location.offset, byteLength);
}

/** Decodes a whole tensor; for tensors that are known to be small. */
export function readPayload(model: Model, tensor: TensorRecord): Uint8Array {
  const cursor = openPayload(model, tensor);
  const bytes = new Uint8Array(cursor.byteLength);
  cursor.read(bytes);
  return bytes;
}

/** The first bytes of a tensor's values, in raw_data's form where its type is known; nothing of strings. */
export function tensorStart(model: Model, tensor: TensorRecord, most: number): Uint8Array {
  if (Number.isNaN(rawByteLength(tensor))) return new Uint8Array(0);
  const cursor = openPayload(model, tensor);
  const bytes = new Uint8Array(Math.min(most, cursor.byteLength));
  cursor.read(bytes);
  return bytes;
}

const COMPARE_BYTES = 64 * 1024;

/** Strings, and values of a type that is not known: equal if they are stored alike. */
function storedAlike(a: Model, left: TensorRecord, b: Model, right: TensorRecord): boolean {
  const [x, y] = [left.payload, right.payload];
  if (x.kind === 'typed') return y.kind === 'typed' && spansEqual(a.source, x.runs, b.source, y.runs);
  const [l, r] = [rawLocation(a, left), rawLocation(b, right)];
  if (!l || !r) return x.kind === y.kind;
  const span = ({ offset }: { offset: number }, payload: Payload): { start: number; end: number } => ({
    start: offset,
    end: offset + storedByteLength({ ...left, payload }),
  });
  return spansEqual(l.source, [span(l, x)], r.source, [span(r, y)]);
}

/** Whether two lists of spans hold the same bytes, compared span by span. */
export function spansEqual(
  a: ByteSource,
  left: readonly { start: number; end: number }[],
  b: ByteSource,
  right: readonly { start: number; end: number }[],
): boolean {
  if (left.length !== right.length) return false;
  return left.every((span, i) => {
    const other = right[i] as { start: number; end: number };
    const length = span.end - span.start;
    if (length !== other.end - other.start) return false;
    for (let done = 0; done < length; done += COMPARE_BYTES) {
      const size = Math.min(COMPARE_BYTES, length - done);
      if (Buffer.compare(readBytes(a, span.start + done, size), readBytes(b, other.start + done, size)) !== 0)
        return false;
    }
    return true;
  });
}

/** Whether two tensors have the same type, dims and values, wherever and however each stores them. */
export function samePayload(a: Model, left: TensorRecord, b: Model, right: TensorRecord): boolean {
  if (left.dataType !== right.dataType || left.dims.join() !== right.dims.join()) return false;
  if (elementCount(left.dims) === 0) return true;
  if (Number.isNaN(rawByteLength(left))) return storedAlike(a, left, b, right);
  const [l, r] = [openPayload(a, left), openPayload(b, right)];
  const [x, y] = [
    Buffer.allocUnsafe(Math.min(COMPARE_BYTES, l.byteLength)),
    Buffer.allocUnsafe(Math.min(COMPARE_BYTES, l.byteLength)),
  ];
  for (let done = 0; done < l.byteLength; done += COMPARE_BYTES) {
    const size = Math.min(COMPARE_BYTES, l.byteLength - done);
    l.read(x.subarray(0, size));
    r.read(y.subarray(0, size));
    if (x.compare(y, 0, size, 0, size) !== 0) return false;
  }
  return true;
}
