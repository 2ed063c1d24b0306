// Just enough of the protobuf wire format to take an ONNX file apart, independent of the builds that are compared.

function varint(bytes, at) {
  let value = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes[at++];
    value += (byte & 127) * scale;
    if (byte < 128) return [value, at];
  }
}

/** The fields of a message in order: number, and its bytes (a varint's value as a number). */
export function* fieldsOf(bytes) {
  for (let at = 0; at < bytes.length; ) {
    const [key, begin] = varint(bytes, at);
    const [field, type] = [Math.floor(key / 8), key % 8];
    if (type === 0) {
      const [value, end] = varint(bytes, begin);
      yield { field, value };
      at = end;
    } else {
      const [length, data] = type === 2 ? varint(bytes, begin) : [type === 1 ? 8 : 4, begin];
      yield { field, value: bytes.subarray(data, data + length) };
      at = data + length;
    }
  }
}

const text = (bytes) => Buffer.from(bytes).toString('utf8');

/** StringStringEntryProto messages as an object. */
function entries(messages) {
  return Object.fromEntries(
    messages.map((message) => {
      const parts = [...fieldsOf(message)];
      return [1, 2].map((number) => text(parts.find(({ field }) => field === number)?.value ?? []));
    }),
  );
}

const METADATA_PROPS = 14;
const GRAPH = 7;

/** metadata_props of a model, and the bytes of all other fields. */
export function splitModel(bytes) {
  const fields = [...fieldsOf(bytes)];
  const metadata = entries(fields.filter(({ field }) => field === METADATA_PROPS).map(({ value }) => value));
  const rest = fields
    .filter(({ field }) => field !== METADATA_PROPS)
    .flatMap(({ field, value }) => [
      Buffer.from(`${field}:`),
      typeof value === 'number' ? Buffer.from(`${value};`) : value,
    ]);
  return { metadata, rest: Buffer.concat(rest) };
}

/** Name, dims and place of every initializer that is external data. */
export function externalTensors(model) {
  const graph = [...fieldsOf(model)].find(({ field }) => field === GRAPH).value;
  return [...fieldsOf(graph)]
    .filter(({ field }) => field === 5)
    .map(({ value }) => [...fieldsOf(value)])
    .filter((tensor) => tensor.some(({ field }) => field === 13))
    .map((tensor) => {
      const place = entries(tensor.filter(({ field }) => field === 13).map(({ value }) => value));
      const dims = tensor
        .filter(({ field }) => field === 1)
        .flatMap(({ value }) => (typeof value === 'number' ? [value] : packed(value)));
      const name = text(tensor.find(({ field }) => field === 8).value);
      return { name, dims, offset: Number(place.offset), length: Number(place.length) };
    });
}

function packed(bytes) {
  const values = [];
  for (let at = 0; at < bytes.length; ) {
    const [value, end] = varint(bytes, at);
    values.push(value);
    at = end;
  }
  return values;
}
