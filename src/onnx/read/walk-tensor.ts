import { DATA_TYPE, findDataType, TYPED_FIELDS, type TypedField } from './data-type.ts';
import { EXTERNAL_LOCATION, FIELD } from './fields.ts';
import type { AttributeRecord, ExternalPayload, FieldSpan, Payload, Run, TensorRecord } from './model.ts';
import { elementCount, rawByteLength } from './tensor-size.ts';
import type { Walk } from './walk-state.ts';
import { type Field, type Message, malformed, overLimit, WIRE } from './wire.ts';

/** ONNX names no limit for the rank; runtimes stop at 8 or 64. */
const MAX_RANK = 64;
/** Elements of one tensor: beyond, byte counts would leave the exact integers of a float64. */
const MAX_ELEMENTS = 2 ** 48;
/** A path below the model's folder. */
const MAX_LOCATION_BYTES = 4096;

/** Adds an occurrence to the runs of its field: adjacent single values become one run, however many there are. */
export function addRun(walk: Walk, runs: Run[], field: Field): void {
  const packed = field.wire === WIRE.bytes;
  const last = runs.at(-1);
  if (last && !packed && !last.packed && last.end === field.tagStart) {
    runs[runs.length - 1] = { ...last, end: field.end };
    return;
  }
  walk.count(field.tagStart);
  // A run of single values starts at its first tag: their tags lie between the values.
  runs.push({ tagStart: field.tagStart, start: packed ? field.start : field.tagStart, end: field.end, packed });
}

function readExternalEntry(walk: Walk, message: Message, into: Map<string, string>): void {
  let key = '';
  let value = '';
  walk.visit(message, (field) => {
    if (field.number === FIELD.entry.key) key = walk.text(field, MAX_LOCATION_BYTES);
    if (field.number === FIELD.entry.value) value = walk.text(field, MAX_LOCATION_BYTES);
  });
  into.set(key, value);
}

function externalNumber(walk: Walk, message: Message, key: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^[0-9]{1,16}$/.test(text) || !Number.isSafeInteger(value)) {
    throw malformed(
      walk.path,
      message.tagStart,
      `external data with ${key} ${JSON.stringify(text)}, expected a byte count`,
    );
  }
  return value;
}

function externalPayload(walk: Walk, message: Message, entries: ReadonlyMap<string, string>): ExternalPayload {
  const location = entries.get('location');
  if (!location) throw malformed(walk.path, message.tagStart, 'external data without a location');
  return {
    kind: 'external',
    location,
    offset: externalNumber(walk, message, 'offset', entries.get('offset')) ?? 0,
    length: externalNumber(walk, message, 'length', entries.get('length')),
  };
}

function checkDims(walk: Walk, message: Message, dims: readonly number[]): void {
  if (dims.some((dim) => dim < 0)) throw malformed(walk.path, message.tagStart, `dims [${dims}] with a negative one`);
  // The product is checked step by step: [2^40, 2^40, 0] has zero elements, but no reader agrees on it.
  let product = 1;
  for (const dim of dims) {
    product *= Math.max(dim, 1);
    if (product > MAX_ELEMENTS)
      throw overLimit(walk.path, message.tagStart, `dims [${dims}]: over ${MAX_ELEMENTS} elements`);
  }
}

export function readTensor(walk: Walk, message: Message): TensorRecord {
  const dims: number[] = [];
  const fields: FieldSpan[] = [];
  const runs = new Map<TypedField, Run[]>();
  const external = new Map<string, string>();
  let dataType = 0;
  let dataLocation = 0;
  let name = '';
  let raw: Field | undefined;
  walk.visit(message, (field) => {
    const last = fields.at(-1);
    if (last && last.number === field.number && last.end === field.tagStart) {
      fields[fields.length - 1] = { ...last, end: field.end };
    } else {
      walk.count(field.tagStart);
      fields.push({ number: field.number, tagStart: field.tagStart, start: field.start, end: field.end });
    }
    switch (field.number) {
      case FIELD.tensor.dims:
        walk.int64s(field, dims, MAX_RANK);
        break;
      case FIELD.tensor.dataType:
        dataType = walk.int32(field);
        break;
      case FIELD.tensor.segment:
        throw malformed(walk.path, field.tagStart, 'a tensor in segments, which no runtime reads');
      case FIELD.tensor.floatData:
      case FIELD.tensor.int32Data:
      case FIELD.tensor.stringData:
      case FIELD.tensor.int64Data:
      case FIELD.tensor.doubleData:
      case FIELD.tensor.uint64Data: {
        const list = runs.get(field.number) ?? [];
        runs.set(field.number, list);
        addRun(walk, list, field);
        break;
      }
      case FIELD.tensor.name:
        name = walk.text(field);
        break;
      case FIELD.tensor.rawData:
        walk.expect(field, WIRE.bytes);
        raw = field;
        break;
      case FIELD.tensor.externalData:
        readExternalEntry(walk, walk.child(field, message), external);
        break;
      case FIELD.tensor.dataLocation:
        dataLocation = walk.int32(field);
        break;
    }
  });
  checkDims(walk, message, dims);
  const tensor = {
    name,
    dims,
    dataType,
    carrier: 'tensor' as const,
    message,
    fields,
  };
  const payload = choosePayload(walk, tensor, {
    raw,
    runs,
    external: dataLocation === EXTERNAL_LOCATION ? external : undefined,
  });
  return { ...tensor, payload };
}

interface Found {
  readonly raw: Field | undefined;
  readonly runs: ReadonlyMap<TypedField, readonly Run[]>;
  readonly external: ReadonlyMap<string, string> | undefined;
}

/** The one place where the values lie: readers disagree about a tensor that has two, so it is refused. */
function choosePayload(walk: Walk, tensor: Omit<TensorRecord, 'payload'>, found: Found): Payload {
  const { message } = tensor;
  const label = `tensor ${JSON.stringify(tensor.name)}`;
  const type = findDataType(tensor.dataType);
  const filled = [...found.runs].filter(([, runs]) => runs.some((run) => run.end > run.start));
  const places = [
    ...(found.raw && found.raw.end > found.raw.start ? ['raw_data'] : []),
    ...filled.map(([number]) => TYPED_FIELDS[number].name),
    ...(found.external ? ['external_data'] : []),
  ];
  if (places.length > 1)
    throw malformed(walk.path, message.tagStart, `${label} with values in ${places.join(' and ')}`);
  if (found.external) {
    const payload = externalPayload(walk, message, found.external);
    const expected = rawByteLength(tensor);
    if (payload.length === undefined && Number.isNaN(expected)) {
      throw malformed(walk.path, message.tagStart, `${label}: external data without a length, of a type without one,`);
    }
    if (payload.length !== undefined && payload.length !== expected && !Number.isNaN(expected)) {
      throw malformed(
        walk.path,
        message.tagStart,
        `${label}: external data of ${payload.length} bytes, expected ${expected} for dims [${tensor.dims}] of ${type?.name}`,
      );
    }
    return payload;
  }
  if (found.raw && filled.length === 0) {
    const expected = rawByteLength(tensor);
    const length = found.raw.end - found.raw.start;
    if (type && length !== expected) {
      throw malformed(
        walk.path,
        found.raw.tagStart,
        `${label}: raw_data of ${length} bytes, expected ${expected} for dims [${tensor.dims}] of ${type.name},`,
      );
    }
    return { kind: 'raw', start: found.raw.start, end: found.raw.end };
  }
  const [first] = filled;
  if (!first) {
    if (elementCount(tensor.dims) > 0)
      throw malformed(walk.path, message.tagStart, `${label} of dims [${tensor.dims}] without values`);
    return { kind: 'none' };
  }
  const [number, runs] = first;
  if (type && type.typedField !== number) {
    throw malformed(
      walk.path,
      message.tagStart,
      `${label}: ${type.name} values in ${TYPED_FIELDS[number].name}, expected ${TYPED_FIELDS[type.typedField].name},`,
    );
  }
  return { kind: 'typed', wire: TYPED_FIELDS[number].wire, runs };
}

type AttributeValues = Pick<AttributeRecord, 'floats' | 'ints' | 'scalar'>;

const { f, floats, ints } = FIELD.attribute;

/**
 * The values that lie in an attribute itself (AttributeProto f, i, floats, ints), as tensors: a Constant node's value
 * may be one. A list's length is counted without holding its values.
 */
export function valuesOfAttribute(
  walk: Walk,
  message: Message,
  lists: { readonly floats: readonly Run[]; readonly ints: readonly Run[] },
  scalar: Field | undefined,
): AttributeValues {
  const tensorOf = (number: number, runs: readonly Run[], dims: readonly number[]): TensorRecord => {
    const wire = number === f || number === floats ? 'fixed32' : 'varint';
    return {
      name: '',
      dims,
      dataType: wire === 'fixed32' ? DATA_TYPE.float32 : DATA_TYPE.int64,
      payload: elementCount(dims) === 0 ? { kind: 'none' } : { kind: 'typed', wire, runs },
      carrier: 'attribute',
      message,
      fields: runs.map((run) => ({ number, tagStart: run.tagStart, start: run.start, end: run.end })),
    };
  };
  const listOf = (number: number, runs: readonly Run[]): TensorRecord | undefined => {
    if (runs.length === 0) return undefined;
    return tensorOf(number, runs, [runs.reduce((sum, run) => sum + countValues(walk, run, number), 0)]);
  };
  let scalarTensor: TensorRecord | undefined;
  if (scalar) {
    const runs: Run[] = [];
    addRun(walk, runs, scalar);
    scalarTensor = tensorOf(scalar.number, runs, []);
  }
  return { floats: listOf(floats, lists.floats), ints: listOf(ints, lists.ints), scalar: scalarTensor };
}

function countValues(walk: Walk, run: Run, number: number): number {
  const { reader } = walk;
  if (run.packed && number === floats) {
    if ((run.end - run.start) % 4 !== 0) throw malformed(walk.path, run.start, 'a list of floats with a part of one');
    return (run.end - run.start) / 4;
  }
  let count = 0;
  reader.position = run.start;
  while (reader.position < run.end) {
    if (run.packed) reader.int64(run.end);
    else walk.expect(reader.field(run.end), number === floats ? WIRE.fixed32 : WIRE.varint);
    count++;
  }
  return count;
}
