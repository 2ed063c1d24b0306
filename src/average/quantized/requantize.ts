import { decodeFloat64, ENCODERS, TemperError } from '../../core/index.ts';
import {
  asFloatType,
  elementCount,
  type Model,
  rawByteLength,
  readPayload,
  type TensorRecord,
} from '../../onnx/index.ts';
import type { Row } from '../rows/row.ts';
import { codeOf, decodeCodes, encodeCodes } from './codes.ts';
import type { Quantized } from './find-quantized.ts';
import type { QuantizedGroup, QuantizedPart } from './quantized-group.ts';

/** Scales and zero points, one a channel or one in all. */
interface Parameters {
  readonly scales: Float64Array;
  readonly zeros: Float64Array;
}

/** How far requantized weights are from the float average. */
export interface RequantizationError {
  /** Tensors of stored codes. */
  readonly tensors: number;
  /** Σ (w' - w)², and Σ w², over all their elements. */
  readonly squaredError: number;
  readonly squaredNorm: number;
  /** max |w' - w|. */
  readonly maxError: number;
}

const floats = (model: Model, tensor: TensorRecord, name: string): Float64Array => {
  const type = asFloatType(tensor.dataType);
  const values = new Float64Array(elementCount(tensor.dims));
  if (type && decodeFloat64(type, readPayload(model, tensor), values.length, values)) return values;
  throw new TemperError('NUMERIC_NONFINITE', `${model.path}: scale of ${JSON.stringify(name)} is no finite float`, {
    details: { path: model.path, tensor: name },
  });
};

function parametersOf({ template, parts }: QuantizedGroup, models: readonly Model[], i: number): Parameters {
  const model = models[i] as Model;
  const scales = floats(model, parts.scale[i] as TensorRecord, template.name);
  const bad = scales.find((scale) => !(scale > 0));
  if (bad !== undefined) {
    throw new TemperError('NUMERIC_NONFINITE', `${model.path}: a scale of ${JSON.stringify(template.name)} is ${bad}`, {
      hint: 'A scale is above 0: was the model quantized without calibration data?',
      details: { path: model.path, tensor: template.name },
    });
  }
  const zero = parts.zeroPoint[i];
  const zeros = zero
    ? decodeCodes(readPayload(model, zero), template.type, elementCount(zero.dims))
    : Float64Array.of(0);
  return { scales, zeros };
}

/** The smallest scale at which codes around a zero point reach from low to high. */
function scaleAround(zero: number, low: number, high: number, { type: { min, max }, codes }: Quantized): number {
  // With the zero point in the middle the lowest code is left out, as quantizers do: -w is then as exact as w.
  if (codes && zero === (min + max + 1) / 2) return Math.max(-low, high) / (max - zero);
  return Math.max(zero < max ? high / (max - zero) : 0, zero > min ? low / (min - zero) : 0);
}

/** Which channel an element is of: (element / inner) mod channels. */
function channels({ codes, axis, scale }: Quantized): { count: number; of: (element: number) => number } {
  const count = elementCount(scale.dims);
  if (count === 1 || !codes) return { count, of: count === 1 ? () => 0 : (element) => element };
  const inner = codes.dims.slice(axis + 1).reduce((product, dim) => product * dim, 1);
  return { count, of: (element) => Math.floor(element / inner) % count };
}

const pick = (values: Float64Array, channel: number): number => values[values.length === 1 ? 0 : channel] as number;

const termsOf = ({ coefficients }: Row): number[] => [...coefficients.keys()].filter((i) => coefficients[i] !== 0);

/**
 * Averages quantized tensors: values (code - zero point) · scale are averaged in float64, as a row of numbers like any other,
 * and quantized again in the form that they had: per tensor or per channel. A zero point that is the same in all snapshots
 * stays (symmetric: scale = max |w| / highest code); others follow from lowest and highest value, with 0 among them. The
 * range of an activation is averaged at both ends. An int32 bias has the scale input scale · weight scale, as
 * operators on codes take it to be (ONNX QLinearConv); its own where its operator is not found.
 *
 * Memory: the values of one tensor in float64, and its codes.
 * @throws TemperError UNSUPPORTED_QUANTIZED for rows that are no weighted mean; NUMERIC_NONFINITE for a scale that is not above 0
 */
export function requantizer(models: readonly Model[], row: Row) {
  const known = new Map<QuantizedGroup, Parameters>();
  const terms = termsOf(row);
  const only = terms.length === 1 ? terms[0] : undefined;
  if (row.kind !== 'linear') {
    throw new TemperError('UNSUPPORTED_QUANTIZED', `${row.name}: quantized snapshots have weighted means only`, {
      hint: 'Use uniform, ema, power or weighted, or snapshots that are not quantized.',
    });
  }
  const mean = (of: (i: number) => number): number =>
    terms.reduce((sum, i) => sum + (row.coefficients[i] as number) * of(i), 0) / row.divisor;

  /** The average of a tensor's values, in float64. */
  function averaged(group: QuantizedGroup): Float64Array {
    const { template, parts } = group;
    const count = elementCount(template.codes?.dims ?? []);
    const { of } = channels(template);
    const sums = new Float64Array(count);
    for (const i of terms) {
      const coefficient = row.coefficients[i] as number;
      const { scales, zeros } = parametersOf(group, models, i);
      const codes = decodeCodes(readPayload(models[i] as Model, parts.codes[i] as TensorRecord), template.type, count);
      for (let k = 0; k < count; k++) {
        const channel = of(k);
        sums[k] =
          (sums[k] as number) + coefficient * ((codes[k] as number) - pick(zeros, channel)) * pick(scales, channel);
      }
    }
    for (let k = 0; k < count; k++) sums[k] = (sums[k] as number) / row.divisor;
    return sums;
  }

  /** Lowest and highest value of every channel: of stored values, or of what the codes of an activation can say. */
  function ranges(group: QuantizedGroup, all: readonly Parameters[]): { lows: Float64Array; highs: Float64Array } {
    const { template } = group;
    const { count, of } = channels(template);
    const { min, max } = template.type;
    if (!template.codes) {
      const end = (code: number) => (channel: number) =>
        mean((i) => {
          const { scales, zeros } = all[terms.indexOf(i)] as Parameters;
          return (code - pick(zeros, channel)) * pick(scales, channel);
        });
      const places = Array.from({ length: count }, (_, c) => c);
      return { lows: Float64Array.from(places, end(min)), highs: Float64Array.from(places, end(max)) };
    }
    const [lows, highs] = [new Float64Array(count), new Float64Array(count)];
    for (const [k, value] of averaged(group).entries()) {
      const channel = of(k);
      if (value < (lows[channel] as number)) lows[channel] = value;
      if (value > (highs[channel] as number)) highs[channel] = value;
    }
    return { lows, highs };
  }

  /** Rounded to the type that scales are stored in, as codes are made with what is stored. */
  function stored(scales: Float64Array, { scale }: Quantized): Float64Array {
    return floatsOf(encoded(scales, scale), scale);
  }

  function computed(group: QuantizedGroup): Parameters {
    const { template, biasOf } = group;
    const all = terms.map((i) => parametersOf(group, models, i));
    const [first] = all as [Parameters];
    const meanScale = (channel: number): number =>
      mean((i) => pick((all[terms.indexOf(i)] as Parameters).scales, channel));
    const { count } = channels(template);
    const { min, max } = template.type;
    if (template.codes && template.type.bits === 32) {
      const [input, weight] = biasOf ? [parameters(biasOf.input), parameters(biasOf.weight)] : [];
      const scales = Float64Array.from({ length: count }, (_, c) =>
        input && weight ? pick(input.scales, 0) * pick(weight.scales, c) : meanScale(c),
      );
      return { scales: stored(scales, template), zeros: first.zeros };
    }
    const fixed =
      template.zeroPointShared || all.every(({ zeros }) => zeros.every((zero, c) => zero === first.zeros[c]));
    const { lows, highs } = ranges(group, all);
    const scales = Float64Array.from({ length: count }, (_, c) => {
      const [low, high] = [lows[c] as number, highs[c] as number];
      const zero = pick(first.zeros, c);
      const scale = fixed ? scaleAround(zero, low, high, template) : (high - low) / (max - min);
      return scale > 0 ? scale : meanScale(c);
    });
    const used = stored(scales, template);
    if (fixed) return { scales: used, zeros: first.zeros };
    return { scales: used, zeros: used.map((scale, c) => codeOf(-(lows[c] as number), scale, min, template.type)) };
  }

  function parameters(group: QuantizedGroup): Parameters {
    const from = group.kept ? (terms[0] as number) : only;
    const found = known.get(group) ?? (from === undefined ? computed(group) : parametersOf(group, models, from));
    known.set(group, found);
    return found;
  }

  let error: RequantizationError = { tensors: 0, squaredError: 0, squaredNorm: 0, maxError: 0 };

  function codes(group: QuantizedGroup): Uint8Array {
    const { template, parts } = group;
    if (only !== undefined) return readPayload(models[only] as Model, parts.codes[only] as TensorRecord);
    const values = averaged(group);
    const { scales, zeros } = parameters(group);
    const { of } = channels(template);
    let { squaredError, squaredNorm, maxError } = error;
    const made = values.map((value, k) => {
      const [scale, zero] = [pick(scales, of(k)), pick(zeros, of(k))];
      const code = codeOf(value, scale, zero, template.type);
      const difference = (code - zero) * scale - value;
      squaredError += difference * difference;
      squaredNorm += value * value;
      maxError = Math.max(maxError, Math.abs(difference));
      return code;
    });
    error = { tensors: error.tensors + 1, squaredError, squaredNorm, maxError };
    return encodeCodes(made, template.type);
  }

  return {
    /** The new raw values of a part. */
    part(group: QuantizedGroup, part: QuantizedPart): Uint8Array {
      if (part === 'codes') return codes(group);
      if (part === 'scale') return encoded(parameters(group).scales, group.template.scale);
      return encodeCodes(parameters(group).zeros, group.template.type);
    },
    /** The average as floats of the scale's type. */
    values: (group: QuantizedGroup): Uint8Array =>
      encoded(averaged(group), { ...group.template.scale, dims: group.template.codes?.dims ?? [] }),
    /** Of the codes that were made so far. */
    error: (): RequantizationError => error,
  };
}

function encoded(values: Float64Array, like: TensorRecord): Uint8Array {
  const bytes = new Uint8Array(rawByteLength(like));
  const type = asFloatType(like.dataType);
  if (type) ENCODERS[type](values, 1, bytes, 0, values.length);
  return bytes;
}

function floatsOf(bytes: Uint8Array, like: TensorRecord): Float64Array {
  const values = new Float64Array(elementCount(like.dims));
  const type = asFloatType(like.dataType);
  if (type) decodeFloat64(type, bytes, values.length, values);
  return values;
}
