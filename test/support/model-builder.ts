/**
 * Small models of every kind of file, built with onnx-proto (a writer that shares no code with the product) and read
 * back with it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import proto from 'onnx-proto';

const { onnx } = proto;
type Onnx = typeof proto.onnx;
type TensorProto = Parameters<Onnx['TensorProto']['encode']>[0];
type NodeProto = Parameters<Onnx['NodeProto']['encode']>[0];
type AttributeProto = Parameters<Onnx['AttributeProto']['encode']>[0];
type GraphProto = Parameters<Onnx['GraphProto']['encode']>[0];
type FunctionProto = Parameters<Onnx['FunctionProto']['encode']>[0];
type SparseProto = Parameters<Onnx['SparseTensorProto']['encode']>[0];
type ValueInfoProto = Parameters<Onnx['ValueInfoProto']['encode']>[0];

export const TYPE_CODE = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
} as const;
export type TestType = keyof typeof TYPE_CODE;

/** value -> pattern of a 16-bit float type, by its definition: sign, exponent, fraction. */
function patterns(exponentBits: number): { value: number; bits: number }[] {
  const fractionBits = 15 - exponentBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  return Array.from({ length: 2 ** 15 - 2 ** fractionBits }, (_, bits) => {
    const [exponent, fraction] = [bits >> fractionBits, (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits];
    return { bits, value: exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias) };
  });
}
const PATTERNS = { float16: patterns(5), bfloat16: patterns(8) };

/** The nearest pattern, of two equally near ones the even one; finite values only. */
export function bits16(type: 'float16' | 'bfloat16', value: number): number {
  const table = PATTERNS[type];
  const magnitude = Math.abs(value);
  let [low, high] = [0, table.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (table[middle]!.value <= magnitude) low = middle;
    else high = middle;
  }
  const [below, above] = [magnitude - table[low]!.value, table[high]!.value - magnitude];
  const up = above < below || (above === below && low % 2 === 1);
  return (Object.is(value, -0) || value < 0 ? 0x8000 : 0) | (up ? high : low);
}

export function value16(type: 'float16' | 'bfloat16', bits: number): number {
  const { value } = PATTERNS[type][bits & 0x7fff] ?? {
    value: (bits & 0x3ff) === 0 ? Number.POSITIVE_INFINITY : Number.NaN,
  };
  return bits & 0x8000 ? -value : value;
}

export function rawBytes(type: TestType, values: readonly number[]): Buffer {
  const half = (kind: 'float16' | 'bfloat16') => Uint16Array.from(values, (value) => bits16(kind, value));
  const arrays: Record<TestType, () => ArrayBufferView> = {
    float32: () => Float32Array.from(values),
    float64: () => Float64Array.from(values),
    float16: () => half('float16'),
    bfloat16: () => half('bfloat16'),
    uint8: () => Uint8Array.from(values),
    int8: () => Int8Array.from(values),
    int32: () => Int32Array.from(values),
    int64: () => BigInt64Array.from(values, BigInt),
    bool: () => Uint8Array.from(values),
  };
  const array = arrays[type]();
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength);
}

export interface TestTensor {
  readonly name: string;
  readonly dims: readonly number[];
  readonly values: readonly number[];
  readonly type?: TestType;
  /** Instead of values: the exact bytes. */
  readonly raw?: Uint8Array;
}

export type Storage = 'raw' | 'typed';

export function tensor({ name, dims, values, type = 'float32', raw }: TestTensor, store: Storage = 'raw'): TensorProto {
  const head = { name, dims: [...dims], dataType: TYPE_CODE[type] };
  if (store === 'raw') return { ...head, rawData: raw ?? rawBytes(type, values) };
  if (type === 'float32') return { ...head, floatData: [...values] };
  if (type === 'float64') return { ...head, doubleData: [...values] };
  if (type === 'int64') return { ...head, int64Data: [...values] };
  return {
    ...head,
    int32Data: values.map((value) => (type === 'float16' || type === 'bfloat16' ? bits16(type, value) : value)),
  };
}

/** Tensors whose values lie in data files beside the model; `fileOf` names each one's file. */
export function externalTensors(
  tensors: readonly TestTensor[],
  modelPath: string,
  fileOf: (tensor: TestTensor) => string,
  more: Readonly<Record<string, string>> = {},
): TensorProto[] {
  const files = new Map<string, Buffer[]>();
  const protos = tensors.map((item): TensorProto => {
    const location = fileOf(item);
    const chunks = files.get(location) ?? [];
    files.set(location, chunks);
    const offset = chunks.reduce((sum, { length }) => sum + length, 0);
    const bytes = rawBytes(item.type ?? 'float32', item.values);
    // Exporters align: the gap belongs to nobody.
    chunks.push(bytes, Buffer.alloc((64 - (bytes.length % 64)) % 64, 0xee));
    const entries = { location, offset: String(offset), length: String(bytes.length), ...more };
    return {
      name: item.name,
      dims: [...item.dims],
      dataType: TYPE_CODE[item.type ?? 'float32'],
      dataLocation: 1,
      externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
    };
  });
  for (const [location, chunks] of files) writeFileSync(join(dirname(modelPath), location), Buffer.concat(chunks));
  return protos;
}

type AttributeValue =
  | number
  | string
  | readonly number[]
  | { float: number }
  | { floats: readonly number[] }
  | { tensor: TensorProto }
  | { sparse: SparseProto }
  | { graph: GraphProto };

function attribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === 'number') return { name, type: 2, i: value };
  if (typeof value === 'string') return { name, type: 3, s: Buffer.from(value) };
  if ('float' in value) return { name, type: 1, f: value.float };
  if ('floats' in value) return { name, type: 6, floats: [...value.floats] };
  if ('tensor' in value) return { name, type: 4, t: value.tensor };
  if ('sparse' in value) return { name, type: 11, sparseTensor: value.sparse };
  if ('graph' in value) return { name, type: 5, g: value.graph };
  return { name, type: 7, ints: [...value] };
}

export function node(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  domain = '',
): NodeProto {
  return {
    opType,
    input: [...input],
    output: [...output],
    name: `/${output[0]}`,
    attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
    ...(domain ? { domain } : {}),
  };
}

export function valueInfo(
  name: string,
  dims: readonly (number | string)[],
  type: TestType = 'float32',
): ValueInfoProto {
  const dim = dims.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: TYPE_CODE[type], shape: { dim } } } };
}

export interface TestModel {
  readonly ir?: number;
  readonly opset?: number;
  readonly nodes: readonly NodeProto[];
  readonly initializers?: readonly TensorProto[];
  readonly sparse?: readonly SparseProto[];
  readonly inputs: readonly ValueInfoProto[];
  readonly outputs: readonly ValueInfoProto[];
  readonly functions?: readonly FunctionProto[];
  readonly metadata?: Readonly<Record<string, string>>;
}

function modelBytes(model: TestModel): Uint8Array {
  const { ir = 8, opset = 17, nodes, initializers = [], inputs, outputs, functions = [] } = model;
  const initializerInputs = initializers.map(({ name, dims, dataType }) => ({
    name: name ?? '',
    type: { tensorType: { elemType: dataType ?? 0, shape: { dim: (dims ?? []).map((dimValue) => ({ dimValue })) } } },
  }));
  return onnx.ModelProto.encode({
    irVersion: ir,
    producerName: 'onnx-temper-test',
    opsetImport: [{ domain: '', version: opset }, ...(functions.length > 0 ? [{ domain: 'test', version: 1 }] : [])],
    metadataProps: Object.entries(model.metadata ?? {}).map(([key, value]) => ({ key, value })),
    functions: [...functions],
    graph: {
      name: 'graph',
      node: [...nodes],
      initializer: [...initializers],
      sparseInitializer: [...(model.sparse ?? [])],
      input: [...inputs, ...(ir <= 3 ? initializerInputs : [])],
      output: [...outputs],
    },
  }).finish();
}

export function writeModel(path: string, model: TestModel): string {
  writeFileSync(path, modelBytes(model));
  return path;
}

/** Named weights, each used once: the least model that holds them. */
export function weightsModel(tensors: readonly TestTensor[], store: Storage = 'raw'): TestModel {
  return {
    nodes: tensors.map(({ name }, i) => node('Mul', ['x', name], [`y${i}`])),
    initializers: tensors.map((item) => tensor(item, store)),
    inputs: [valueInfo('x', [])],
    outputs: tensors.map((_, i) => valueInfo(`y${i}`, [])),
  };
}

export function decodeModel(path: string) {
  return onnx.ModelProto.decode(readFileSync(path));
}

/** raw_data of an initializer of the main graph, by a foreign reader. */
export function rawOf(path: string, name: string): Buffer {
  const found = decodeModel(path).graph?.initializer?.find((item) => item.name === name);
  if (!found) throw new Error(`${path}: no initializer ${name}`);
  return Buffer.from(found.rawData ?? []);
}

export function floatsOf(path: string, name: string): Float32Array {
  return new Float32Array(new Uint8Array(rawOf(path, name)).buffer);
}

/** Rewrites the float32 initializers of a model file, tensor by tensor. */
export function rewriteWeights(
  from: string,
  to: string,
  change: (values: Float32Array, name: string, dims: readonly number[]) => void,
): string {
  const model = decodeModel(from);
  for (const item of model.graph?.initializer ?? []) {
    const values = new Float32Array(new Uint8Array(item.rawData ?? []).buffer);
    change(values, item.name ?? '', (item.dims ?? []).map(Number));
    item.rawData = new Uint8Array(values.buffer);
  }
  writeFileSync(to, onnx.ModelProto.encode(model).finish());
  return to;
}

/** A copy of a model file whose inputs and outputs have these fixed dims, by their number of dims. */
export function fixDims(from: string, to: string, dims: Readonly<Record<number, readonly number[]>>): string {
  const model = decodeModel(from);
  for (const { type } of [...(model.graph?.input ?? []), ...(model.graph?.output ?? [])]) {
    const shape = type?.tensorType?.shape;
    const values = dims[shape?.dim?.length ?? 0];
    if (shape && values) shape.dim = values.map((dimValue) => ({ dimValue }));
  }
  writeFileSync(to, onnx.ModelProto.encode(model).finish());
  return to;
}
