/** Broken models, through everything that reads a graph. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import onnxProto from 'onnx-proto';
import { chooseTemplate, planTensors } from '../../../src/average/index.ts';
import { chooseLayers, layerCandidates, unfold } from '../../../src/batchnorm/index.ts';
import { momentsGraph } from '../../../src/batchnorm/moments-graph.ts';
import { TemperError } from '../../../src/core/index.ts';
import { findLogits, findScoreLayer } from '../../../src/evaluate/calibrate/head.ts';
import { cutModel, MODES } from '../../../src/fixres/cut/cut.ts';
import { inspect } from '../../../src/index.ts';
import {
  applyEdits,
  graphSha256,
  type Model,
  modelFromBytes,
  openModel,
  samePayload,
  type TensorRecord,
  tensorsOfModel,
} from '../../../src/onnx/index.ts';
import { analyseSizes, freeSize, testTimePool } from '../../../src/resolution/index.ts';
import { windowCheck } from '../../../src/runtime/window-check.ts';
import { graphView, inferShapes } from '../../../src/shapes/index.ts';
import { declaredInputs, modelFacts, transformFor } from '../../../src/signature/index.ts';
import { averageInMemory, type InMemory, RULES } from '../average-in-memory.ts';
import { mutateBytes } from '../mutate-bytes.ts';
import { mutateFields } from '../mutate-fields.ts';
import { quantizedTeacher } from '../quantized-teacher.ts';
import { type ModelFiles, richExternalModel, richFutureModel, richModel } from '../rich-models.ts';
import type { HostileTarget, Int, Mutated } from './target.ts';

/** Writes a model and its data files; returns the model's path. */
export function placeModel(folder: string, { model, data }: ModelFiles): string {
  mkdirSync(folder, { recursive: true });
  for (const [file, bytes] of Object.entries(data)) writeFileSync(join(folder, file), bytes);
  writeFileSync(join(folder, 'model.onnx'), model);
  return join(folder, 'model.onnx');
}

/** The bytes that are no weights: where a file breaks. */
function structure(bytes: Buffer): number[] {
  const weights = new Uint8Array(bytes.length);
  for (const { payload } of tensorsOfModel(modelFromBytes(bytes).record)) {
    if (payload.kind === 'raw' && payload.end - payload.start > 64) weights.fill(1, payload.start, payload.end);
  }
  return [...bytes.keys()].filter((i) => weights[i] === 0);
}

/** Breaks a model: half of the cases change bytes, which mostly breaks a length; half change fields, which gets further. */
export function modelBreaker({ model, data }: ModelFiles): (int: Int) => Mutated {
  const places = structure(model);
  const files = Object.keys(data);
  return (int) => {
    // Now and then a data file is what breaks.
    const file = files.length > 0 && int(20) === 0 ? (files[int(files.length)] as string) : undefined;
    if (file !== undefined) {
      const subject = data[file] as Buffer;
      return { file, ...mutateBytes(subject, int, [...subject.keys()]) };
    }
    return { file: 'model.onnx', ...(int(2) === 0 ? mutateFields(model, int) : mutateBytes(model, int, places)) };
  };
}

/** float32 initializers as onnx-proto reads them; undefined where it cannot. */
function secondRoute(bytes: Uint8Array): Map<string, Float32Array> | undefined {
  try {
    const { graph } = onnxProto.onnx.ModelProto.decode(bytes);
    const found = new Map<string, Float32Array>();
    for (const { name, dataType, rawData, floatData, dataLocation } of graph?.initializer ?? []) {
      if (dataType !== 1 || dataLocation === 1) continue;
      const raw = Uint8Array.from(rawData ?? []);
      found.set(name ?? '', raw.length > 0 ? new Float32Array(raw.buffer) : Float32Array.from(floatData ?? []));
    }
    return found;
  } catch {
    return undefined;
  }
}

const bits = (values: Float32Array): Buffer => Buffer.from(values.buffer, values.byteOffset, values.byteLength);

/** N = 1: every tensor as it was, in the bytes that were not touched. */
function checkSingle(input: Model, bytes: Buffer, output: InMemory): void {
  const location = output.location ?? '';
  const result = modelFromBytes(output.model, new Map([[location, output.data]]));
  const [before, after] = [[...tensorsOfModel(input.record)], [...tensorsOfModel(result.record)]];
  assert.equal(after.length, before.length);
  for (const [i, tensor] of before.entries()) {
    assert.ok(samePayload(input, tensor, result, after[i] as TensorRecord), tensor.name);
  }
  if (before.every(({ payload }) => payload.kind === 'raw')) {
    assert.ok(output.model.subarray(0, bytes.length).equals(bytes), 'the output is the input and its record');
  }
  // protobufjs takes a 32-bit varint of 6 to 9 bytes for one of 10, and then reads on in the wrong place.
  const [a, b] = [secondRoute(bytes), secondRoute(output.model)];
  if (!a || !b) return;
  for (const [name, values] of a) assert.ok(bits(values).equals(bits(b.get(name) as Float32Array)), name);
}

/** N = 2: the float64 mean of what onnx-proto reads, where it reads both and names say what belongs together. */
function checkMean(inputs: readonly Model[], files: readonly Buffer[], output: InMemory): boolean {
  const [a, b] = files.map(secondRoute);
  const result = secondRoute(output.model);
  if (!a || !b || [...a.keys()].sort().join() !== [...b.keys()].sort().join()) return false;
  const template = chooseTemplate(inputs);
  const { tensors } = planTensors(inputs, template, RULES);
  let checked = 0;
  for (const { name, template: record, sources } of tensors) {
    const [x, y, mean] = [a.get(name), b.get(name), result?.get(name)];
    if (!x || !y || !mean || record.dataType !== 1 || sources.some((source) => source.name !== name)) continue;
    x.forEach((value, i) => {
      const expected = value === y[i] ? value : Math.fround((value + (y[i] as number)) / 2);
      if (!Number.isNaN(expected)) assert.equal(mean[i], expected, `${name}[${i}]`);
    });
    checked++;
  }
  return checked > 0;
}

/** What came of averaging a broken model. */
export interface Averaged {
  readonly single: boolean;
  readonly mean: boolean;
  /** Whether the mean was compared with onnx-proto's reading. */
  readonly checkedMean: boolean;
}

/** Whether a step went through; what a typed error says is told. @throws anything but a TemperError */
async function attempt(told: (error: TemperError) => void, step: () => unknown): Promise<boolean> {
  try {
    await step();
    return true;
  } catch (error) {
    if (!(error instanceof TemperError)) throw error;
    told(error);
    return false;
  }
}

/** Averages a broken model alone, with an intact one of the same graph, and into float16. */
export async function averageBroken(
  subject: Model,
  bytes: Buffer,
  intact: { readonly model: Model; readonly bytes: Buffer },
  told: (error: TemperError) => void,
): Promise<Averaged> {
  const single = await attempt(told, async () => checkSingle(subject, bytes, await averageInMemory([subject])));
  let [mean, checkedMean] = [false, false];
  for (const allowNonfinite of [false, true]) {
    mean = await attempt(told, async () => {
      const pair = [subject, intact.model];
      const output = await averageInMemory(pair, { allowNonfinite });
      checkedMean = checkMean(pair, [bytes, intact.bytes], output);
    });
    if (mean) break;
  }
  await attempt(told, async () => {
    const { model: stored, data, location } = await averageInMemory([subject], { dtype: 'float16' });
    // Its Casts, names and lengths make a model that the walk reads.
    modelFromBytes(stored, new Map([[location ?? '', data]]));
  });
  return { single, mean, checkedMean };
}

/** The layers that are measured, and the throw-away graphs that measure them: their bytes are a model that the walk reads. */
function readLayers(model: Model): void {
  layerCandidates(model);
  const chosen = chooseLayers(model, []);
  const { model: open, layers } = unfold(model, chosen);
  for (const batchNormalised of [true, false]) {
    modelFromBytes(applyEdits(open, momentsGraph(open, { layers, batchNormalised }).edits));
  }
}

/** Sizes of an image, and which windows fit. */
function readShapes(model: Model, path: string): void {
  const view = graphView(model);
  const windows = windowCheck(path, path);
  for (const input of model.record.graph.inputs.slice(0, 3)) {
    for (const side of [0, 1, 7, 64]) {
      const dims = [2, 3, side, side];
      inferShapes(view, { [input.name]: dims });
      analyseSizes(model, input.name, [1, 3, 32, 32]).at(dims);
      windows.assertFits({ [input.name]: { type: 'float32', data: new Float32Array(0), dims } });
    }
    for (const layout of ['NCHW', 'NHWC'] as const) freeSize(model, { input: input.name, layout, batch: true });
    testTimePool(model, input.name, [1, 3, 32, 32]);
  }
  windows.close();
}

/** What the file says of its images and classes, and where its scores are made. */
function readMeaning(model: Model, path: string): void {
  const facts = modelFacts(model, path);
  for (const { name } of model.record.graph.outputs.slice(0, 3)) {
    facts.outputKind(name);
    for (const kind of ['logits', 'probabilities', 'log-probabilities'] as const) {
      findScoreLayer(model, findLogits(model, name, kind));
    }
  }
  transformFor({}, declaredInputs(model), undefined);
}

/** Each reading for itself: an error of one says nothing of the next. */
async function readModel(
  path: string,
  { file, bytes }: Mutated,
  intact: { model: Model; bytes: Buffer },
): Promise<void> {
  const model = openModel(path);
  const errors: TemperError[] = [];
  const told = (error: TemperError): void => void errors.push(error);
  try {
    if (file === 'model.onnx') await averageBroken(model, bytes, intact, told);
    await attempt(told, () => graphSha256(model));
    await attempt(told, () => readLayers(model));
    await attempt(told, () => readShapes(model, path));
    await attempt(told, () => readMeaning(model, path));
    for (const mode of MODES) {
      for (const { name } of model.record.graph.outputs.slice(0, 2))
        await attempt(told, () => cutModel(model, mode, name));
    }
  } finally {
    model.close();
  }
  await inspect({ files: [path] });
  const [first] = errors;
  if (first) throw first;
}

const SNAPSHOTS = 'fixtures/fashion/checkpoints';
export const snapshotModel = (epoch: number): ModelFiles => ({
  model: readFileSync(join(SNAPSHOTS, `epoch_${epoch}.onnx`)),
  data: {},
});
const fileModel = (path: string): ModelFiles => ({ model: readFileSync(path), data: {} });
/** Files whose weights lie elsewhere: the graph is all that is broken and read. */
const graphOf = (name: string): ModelFiles => fileModel(`fixtures/torchvision/${name}.onnx`);
const exported = (name: string): ModelFiles => fileModel(`fixtures/exports/${name}.onnx`);

/** A pair of one graph: the first is broken, the second stays. */
const PAIRS: Readonly<Record<string, readonly [ModelFiles, ModelFiles]>> = {
  'a real snapshot': [snapshotModel(20), snapshotModel(21)],
  'a small model with everything': [richModel(1), richModel(2)],
  'with external data': [richExternalModel(1), richExternalModel(2)],
  'with external data and fields from the future': [richFutureModel(1), richFutureModel(2)],
  'a quantized model': [
    { model: Buffer.from(quantizedTeacher(8)), data: {} },
    { model: Buffer.from(quantizedTeacher(8)), data: {} },
  ],
  ...Object.fromEntries(
    ['standard/dynamo', 'standard/legacy', 'mobile/dynamo', 'attention/dynamo', 'convnext/legacy', 'swin/dynamo'].map(
      (name) => [name, [exported(name), exported(`${name}-mean`)]] as const,
    ),
  ),
  ...Object.fromEntries(
    ['alexnet-fixed', 'resnet18', 'resnet18-folded', 'vgg11-fixed', 'squeezenet1_1-dynamic'].map(
      (name) => [name, [graphOf(name), graphOf(name)]] as const,
    ),
  ),
};

export function modelTargets(): HostileTarget[] {
  return Object.entries(PAIRS).map(([name, [victim, other]]) => {
    let intact: { model: Model; bytes: Buffer } | undefined;
    let breaker: ((int: Int) => Mutated) | undefined;
    const files = {
      ...victim.data,
      'model.onnx': victim.model,
      ...Object.fromEntries(Object.entries(other.data).map(([file, bytes]) => [`intact/${file}`, bytes])),
      'intact/model.onnx': other.model,
    };
    return {
      kind: 'models',
      name,
      files,
      mutate(int) {
        breaker ??= modelBreaker(victim);
        return breaker(int);
      },
      async read(folder, mutated) {
        intact ??= { model: openModel(join(folder, 'intact', 'model.onnx')), bytes: other.model };
        await readModel(join(folder, 'model.onnx'), mutated, intact);
      },
    };
  });
}
