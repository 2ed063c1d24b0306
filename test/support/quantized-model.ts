/** Snapshots as quantizers write them (QDQ), made with a quantizer that shares no code with the product. */
import { writeFileSync } from 'node:fs';
import proto from 'onnx-proto';
import { decodeModel, floatsOf, node } from './model-builder.ts';

export interface QuantizedForm {
  readonly type: 'int8' | 'uint8' | 'int4' | 'uint4';
  readonly perChannel: boolean;
  /** Symmetric: zero point in the middle, none stored for signed codes. */
  readonly symmetric: boolean;
}

const CODE = { int8: [3, -128, 127], uint8: [2, 0, 255], int4: [22, -8, 7], uint4: [21, 0, 15] } as const;

const even = (value: number): number => {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
};

export interface QuantizedValues {
  readonly codes: number[];
  readonly scales: number[];
  readonly zeros: number[];
}

/** Codes of a weight whose first axis is its channels. */
export function quantize(values: Float32Array | Float64Array, channels: number, form: QuantizedForm): QuantizedValues {
  const [, min, max] = CODE[form.type];
  const groups = form.perChannel ? channels : 1;
  const size = values.length / groups;
  const [codes, scales, zeros]: [number[], number[], number[]] = [[], [], []];
  for (let g = 0; g < groups; g++) {
    const part = Array.from(values.subarray(g * size, (g + 1) * size));
    const [low, high] = [Math.min(0, ...part), Math.max(0, ...part)];
    const middle = (min + max + 1) / 2;
    const scale = Math.fround(form.symmetric ? Math.max(-low, high) / (max - middle) : (high - low) / (max - min));
    const zero = form.symmetric ? middle : Math.min(max, Math.max(min, even(min - low / scale)));
    scales.push(scale);
    zeros.push(zero);
    for (const value of part) codes.push(Math.min(max, Math.max(min, even(value / scale) + zero)));
  }
  return { codes, scales, zeros };
}

export function dequantize({ codes, scales, zeros }: QuantizedValues): Float64Array {
  const size = codes.length / scales.length;
  return Float64Array.from(codes, (code, i) => {
    const g = Math.floor(i / size);
    return (code - (zeros[g] as number)) * (scales[g] as number);
  });
}

function raw(codes: readonly number[], type: QuantizedForm['type']): Uint8Array {
  if (type === 'int8' || type === 'uint8') return Uint8Array.from(codes, (code) => code & 255);
  const bytes = new Uint8Array(Math.ceil(codes.length / 2));
  for (const [i, code] of codes.entries()) bytes[i >> 1] = (bytes[i >> 1] as number) | ((code & 15) << (4 * (i & 1)));
  return bytes;
}

const floats = (values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

/**
 * A snapshot whose Conv and Gemm weights are codes, and whose classifier has a quantized input and an int32 bias with the
 * scale input scale · weight scale.
 * @param inputScale of the classifier's input: calibration gives every snapshot its own
 */
export function quantizeModel(from: string, to: string, form: QuantizedForm, inputScale: number): string {
  const model = decodeModel(from);
  const graph = model.graph!;
  const four = form.type.endsWith('4');
  if (four) {
    model.irVersion = 10;
    model.opsetImport[0]!.version = 21;
  }
  const before: ReturnType<typeof node>[] = [];
  const kept = graph.initializer!.filter(({ name }) => !isWeight(name ?? ''));
  const add = (name: string, dims: number[], dataType: number, rawData: Uint8Array): void => {
    kept.push({ name, dims, dataType, rawData } as (typeof kept)[number]);
  };
  let headScales: readonly number[] = [];
  for (const { name = '', dims } of graph.initializer!) {
    if (!isWeight(name ?? '')) continue;
    const shape = (dims ?? []).map(Number);
    const made = quantize(floatsOf(from, name as string), shape[0] as number, form);
    const parameterDims = form.perChannel ? [shape[0] as number] : [];
    add(`${name}_quantized`, shape, CODE[form.type][0], raw(made.codes, form.type));
    add(`${name}_scale`, parameterDims, 1, floats(made.scales));
    const inputs = [`${name}_quantized`, `${name}_scale`];
    if (!form.symmetric || form.type.startsWith('u')) {
      add(`${name}_zero_point`, parameterDims, CODE[form.type][0], raw(made.zeros, form.type));
      inputs.push(`${name}_zero_point`);
    }
    before.push(node('DequantizeLinear', inputs, [name as string], form.perChannel ? { axis: 0 } : {}));
    if (name === 'fc.weight') headScales = made.scales;
  }
  const bias = floatsOf(from, 'fc.bias');
  const biasScales = headScales.map((scale) => Math.fround(Math.fround(inputScale) * scale));
  const biasCodes = Array.from(bias, (value, i) => even(value / (biasScales[form.perChannel ? i : 0] as number)));
  add('input_scale', [], 1, floats([inputScale]));
  add('input_zero_point', [], 2, Uint8Array.of(0));
  add('fc.bias_quantized', [10], 6, new Uint8Array(Int32Array.from(biasCodes).buffer));
  add('fc.bias_scale', form.perChannel ? [10] : [], 1, floats(biasScales));
  const at = graph.node!.findIndex(({ opType }) => opType === 'Gemm');
  const head = graph.node![at]!;
  const scaled = ['input_scale', 'input_zero_point'];
  const x = head.input![0] as string;
  graph.node!.splice(
    at,
    0,
    node('QuantizeLinear', [x, ...scaled], ['x_codes']) as (typeof graph.node & object)[number],
    node('DequantizeLinear', ['x_codes', ...scaled], ['x_values']) as (typeof graph.node & object)[number],
    node('DequantizeLinear', ['fc.bias_quantized', 'fc.bias_scale'], ['fc.bias'], {
      axis: 0,
    }) as (typeof graph.node & object)[number],
  );
  head.input![0] = 'x_values';
  graph.node!.unshift(...(before as typeof graph.node & object));
  graph.initializer = kept.filter(({ name }) => name !== 'fc.bias');
  writeFileSync(to, proto.onnx.ModelProto.encode(model).finish());
  return to;
}

/** Weights of convolutions and of the classifier. */
export const isWeight = (name: string): boolean => /(conv\d|down\.0|fc)\.weight$/.test(name);
