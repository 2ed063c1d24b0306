import { TemperError } from '../../core/index.ts';
import {
  attributeOf,
  decodeFloats,
  elementCount,
  encodeFloats,
  freeNames,
  indexGraph,
  insertNode,
  type Model,
  type NewNode,
  type Rewrite,
  readPayload,
  renameOutput,
  rewireInput,
  rewriter,
} from '../../onnx/index.ts';
import type { OutputKind } from '../../signature/index.ts';
import type { LogitsPlace, ScoreLayer, ScoreWeight } from './head.ts';

/** What logits become: each score times its scale, plus its shift. */
export interface Calibration {
  readonly method: 'temperature' | 'vector';
  /** One number, or one for each score. */
  readonly scales: Float64Array;
  /** None, or one for each score. */
  readonly shifts: Float64Array;
}

/** Where a calibration is written: into stored weights, or as nodes of its own. */
export type WrittenAs = 'weights' | 'nodes';

/** The values of a tensor with its classes along an axis, scaled (and, of a bias, shifted) class by class. */
function changed(
  values: Float64Array,
  dims: readonly number[],
  { axis, isBias }: ScoreWeight,
  by: Calibration,
): Float64Array {
  const inner = elementCount(dims.slice(axis + 1));
  const classes = dims[axis] ?? 1;
  return values.map((value, i) => {
    const k = Math.floor(i / inner) % classes;
    const scale = by.scales[by.scales.length === 1 ? 0 : k] as number;
    return scale * value + (isBias ? (by.shifts[k] ?? 0) : 0);
  });
}

/**
 * Puts a calibration into the stored weights of the last layer, in float64, rounded once.
 * @returns undefined where they are not one for each class, or have no place for shifts
 */
export function calibratedWeights(model: Model, layer: ScoreLayer, by: Calibration): Rewrite | undefined {
  const { weights, unbiased } = layer;
  const perClass = by.scales.length > 1;
  if (perClass && weights.some(({ stored, axis }) => stored.tensor.dims[axis] !== by.scales.length)) return undefined;
  const biases = weights.filter(({ isBias }) => isBias);
  if (by.shifts.length > 0 && biases.length === 0 && !unbiased) return undefined;
  const rewrite = rewriter(model);
  for (const weight of weights) {
    const { reader, slot, tensor, name } = weight.stored;
    const values = decodeFloats(readPayload(model, tensor), tensor.dataType, name);
    // Of several constants that are added, one takes the shifts.
    const own = weight.isBias && weight !== biases[0] ? { ...weight, isBias: false } : weight;
    const bytes = encodeFloats(changed(values, tensor.dims, own, by), tensor.dataType, name);
    rewrite.replace(reader, slot, weight.stored, { name: `${name}.calibrated`, dataType: tensor.dataType, bytes });
  }
  if (by.shifts.length > 0 && biases.length === 0 && unbiased) {
    const { tensor, name } = (weights[0] as ScoreWeight).stored;
    const bytes = encodeFloats(by.shifts, tensor.dataType, name);
    const bias = rewrite.append({ name: `${name}.bias`, dataType: tensor.dataType, dims: [by.shifts.length], bytes });
    rewrite.add([rewireInput(unbiased, 2, bias)]);
  }
  return rewrite;
}

/** Dims that let one number a class meet the value: those of the output behind its rows, classes where they are. */
function classDims(model: Model, output: string, scores: number): number[] {
  const dims = model.record.graph.outputs.find(({ name }) => name === output)?.tensorType?.dims ?? [0, scores];
  const rest = dims.slice(1);
  const at = rest.findIndex((dim) => dim !== 1);
  return rest.length === 0 ? [] : rest.map((_, i) => (i === Math.max(0, at) ? scores : 1));
}

/** Multiplication by broadcasting, as everybody writes it since. */
const LEAST_OPSET = 7;

/** How the logits of one kind are handed through nodes: what they read, and what must stand before them. */
function normalising({ reader }: LogitsPlace, kind: OutputKind, by: Calibration): NewNode['attributes'] | undefined {
  // Fitted on ln p.
  if (by.method !== 'vector' || (kind !== 'probabilities' && kind !== 'log-probabilities')) return undefined;
  const axis = reader && attributeOf(reader, 'axis')?.i;
  return axis === undefined ? {} : { axis: Number(axis) };
}

/**
 * Puts a calibration before the Softmax or Sigmoid, or behind the last node, as nodes: Mul, and Add for shifts. The output keeps its name;
 * others that read the same value keep what they read.
 * @throws TemperError UNSUPPORTED_GRAPH
 */
export function calibratedNodes(
  model: Model,
  place: LogitsPlace,
  by: Calibration,
  { output, kind }: { readonly output: string; readonly kind: OutputKind },
): Rewrite {
  const { graph, opsets } = model.record;
  if ((opsets.get('') ?? LEAST_OPSET) < LEAST_OPSET) {
    throw new TemperError(
      'UNSUPPORTED_GRAPH',
      `${model.path}: operator set ${opsets.get('')}, expected ${LEAST_OPSET} or later`,
      {
        hint: 'Export the model with a later operator set.',
        details: { path: model.path },
      },
    );
  }
  const freeName = freeNames(model);
  const rewrite = rewriter(model);
  const { dataType, reader, value } = place;
  const dims = by.scales.length === 1 ? [] : classDims(model, output, by.scales.length);
  const stored = (what: string, values: Float64Array): string =>
    rewrite.append({
      name: `${value}.${what}`,
      dataType,
      dims,
      bytes: encodeFloats(values, dataType, `${value}.${what}`),
    });
  const steps: {
    readonly opType: string;
    readonly with: readonly string[];
    readonly attributes?: NewNode['attributes'];
  }[] = [];
  const normalise = normalising(place, kind, by);
  if (normalise) steps.push({ opType: 'LogSoftmax', with: [], attributes: normalise });
  steps.push({ opType: 'Mul', with: [stored('scale', by.scales)] });
  if (by.shifts.length > 0) steps.push({ opType: 'Add', with: [stored('shift', by.shifts)] });
  const insert = (from: string, to: string): void => {
    let at = from;
    for (const [i, { opType, with: others, attributes = {} }] of steps.entries()) {
      const name = i === steps.length - 1 ? to : freeName(`${value}.${opType}`);
      const node = {
        opType,
        inputs: [at, ...others],
        outputs: [name],
        name: freeName(`${value}/${opType}`),
        attributes,
      };
      rewrite.add([insertNode(graph, node, reader)]);
      at = name;
    }
  };
  if (reader) {
    const calibrated = freeName(`${value}.calibrated`);
    insert(value, calibrated);
    rewrite.add([rewireInput(reader, 0, calibrated)]);
    return rewrite;
  }
  const index = indexGraph(model);
  const producer = index.producer(value);
  if (!producer) throw new Error('the place was found');
  const readers = graph.nodes.flatMap((node) =>
    node.inputs.flatMap((name, slot) => (name === value ? [{ node, slot }] : [])),
  );
  if (index.uses(value) !== readers.length + 1) {
    throw new TemperError('UNSUPPORTED_GRAPH', `${model.path}: output ${value} is read within a branch`, {
      hint: 'Export the model without the branch.',
      details: { path: model.path },
    });
  }
  const before = freeName(`${value}.uncalibrated`);
  rewrite.add([renameOutput(producer, producer.outputs.indexOf(value), before)]);
  for (const { node, slot } of readers) rewrite.add([rewireInput(node, slot, before)]);
  insert(before, value);
  return rewrite;
}
