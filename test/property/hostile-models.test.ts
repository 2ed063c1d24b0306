import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import onnxProto from 'onnx-proto';
import { chooseTemplate, planTensors } from '../../src/average/index.ts';
import { TemperError } from '../../src/core/index.ts';
import {
  type Model,
  modelFromBytes,
  openModel,
  samePayload,
  type TensorRecord,
  tensorsOfModel,
} from '../../src/onnx/index.ts';
import { averageInMemory, type InMemory, RULES } from '../support/average-in-memory.ts';
import { mutateBytes, seededInts } from '../support/mutate-bytes.ts';
import { mutateFields } from '../support/mutate-fields.ts';
import { type ModelFiles, richExternalModel, richFutureModel, richModel } from '../support/rich-models.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** What one case may take: hostile files of this size are refused or averaged in milliseconds. */
const CASE_CPU_MS = 2000;
const CASE_MEMORY_BYTES = 256 * 2 ** 20;

const root = tempFolder();

function place(name: string, { model, data }: ModelFiles): string {
  const folder = join(root, name);
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

interface Tally {
  cases: number;
  refused: number;
  single: number;
  mean: number;
  checkedMean: number;
  slowestMs: number;
  mostBytes: number;
  readonly codes: Map<string, number>;
}

async function attempt(tally: Tally, run: () => Promise<void>): Promise<boolean> {
  try {
    await run();
    return true;
  } catch (error) {
    if (!(error instanceof TemperError)) throw error;
    tally.codes.set(error.code, (tally.codes.get(error.code) ?? 0) + 1);
    assert.ok(error.message.length < 5000);
    return false;
  }
}

const memory = (): number => {
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
};

async function oneCase(tally: Tally, mutated: ModelFiles, intact: { model: Model; bytes: Buffer }): Promise<void> {
  const path = place('mutated', mutated);
  let model: Model | undefined;
  const opened = await attempt(tally, async () => {
    model = openModel(path);
  });
  if (!opened || !model) {
    tally.refused++;
    return;
  }
  const subject = model;
  try {
    const single = await attempt(tally, async () =>
      checkSingle(subject, mutated.model, await averageInMemory([subject])),
    );
    if (single) tally.single++;
    for (const allowNonfinite of [false, true]) {
      const averaged = await attempt(tally, async () => {
        const pair = [subject, intact.model];
        const output = await averageInMemory(pair, { allowNonfinite });
        if (checkMean(pair, [mutated.model, intact.bytes], output)) tally.checkedMean++;
      });
      if (averaged) {
        tally.mean++;
        break;
      }
    }
    await attempt(tally, async () => {
      const { model: stored, data, location } = await averageInMemory([subject], { dtype: 'float16' });
      // Its Casts, names and lengths make a model that the walk reads.
      modelFromBytes(stored, new Map([[location ?? '', data]]));
    });
  } finally {
    subject.close();
  }
}

async function mutate(
  t: TestContext,
  cases: number,
  seed: number,
  victim: ModelFiles,
  other: ModelFiles,
): Promise<void> {
  const tally: Tally = {
    cases,
    refused: 0,
    single: 0,
    mean: 0,
    checkedMean: 0,
    slowestMs: 0,
    mostBytes: 0,
    codes: new Map(),
  };
  const intact = { model: openModel(place('intact', other)), bytes: other.model };
  const places = structure(victim.model);
  const int = seededInts(seed);
  const files = Object.keys(victim.data);
  try {
    for (let i = 0; i < cases; i++) {
      // Now and then a data file is what breaks.
      const file = files.length > 0 && int(20) === 0 ? (files[int(files.length)] as string) : undefined;
      const subject = file === undefined ? victim.model : (victim.data[file] as Buffer);
      // Half of the cases change bytes, which mostly breaks a length; half change fields, which gets further.
      const { bytes, what } =
        file === undefined && int(2) === 0
          ? mutateFields(subject, int)
          : mutateBytes(subject, int, file === undefined ? places : [...subject.keys()]);
      const mutated =
        file === undefined ? { ...victim, model: bytes } : { ...victim, data: { ...victim.data, [file]: bytes } };
      const [cpu, held] = [process.cpuUsage(), memory()];
      try {
        await oneCase(tally, mutated, intact);
      } catch (error) {
        throw new Error(`seed ${seed}, case ${i}: ${what}`, { cause: error });
      }
      const { user, system } = process.cpuUsage(cpu);
      tally.slowestMs = Math.max(tally.slowestMs, (user + system) / 1000);
      tally.mostBytes = Math.max(tally.mostBytes, memory() - held);
    }
  } finally {
    intact.model.close();
  }
  const codes = [...tally.codes].sort(([, x], [, y]) => y - x).map(([code, count]) => `${code} ${count}`);
  t.diagnostic(
    `${cases} cases: ${tally.refused} refused at once, ${tally.single} copied alone, ${tally.mean} averaged with an intact one (${tally.checkedMean} compared with onnx-proto); slowest ${tally.slowestMs.toFixed(0)} ms, most memory ${(tally.mostBytes / 2 ** 20).toFixed(0)} MiB; ${codes.join(', ')}`,
  );
  assert.ok(tally.slowestMs < CASE_CPU_MS, `a case took ${tally.slowestMs} ms of CPU`);
  assert.ok(tally.mostBytes < CASE_MEMORY_BYTES, `a case took ${tally.mostBytes} bytes`);
  // The mutations must leave enough alive to test what follows the walk.
  assert.ok(tally.single > cases / 20 && tally.mean > cases / 50 && tally.refused > cases / 20);
}

const SNAPSHOTS = 'fixtures/fashion/checkpoints';
const snapshot = (epoch: number): ModelFiles => ({
  model: readFileSync(join(SNAPSHOTS, `epoch_${epoch}.onnx`)),
  data: {},
});

const MODELS: readonly [string, number, (seed: number) => ModelFiles][] = [
  ['a real snapshot', 700, (seed) => snapshot(20 + seed)],
  ['a small model with everything', 1500, richModel],
  ['with external data', 1500, richExternalModel],
  ['with external data and fields from the future', 800, richFutureModel],
];

for (const [i, [name, cases, make]] of MODELS.entries()) {
  test(`${name}, mutated ${cases} times: a typed error or a correct result, in bounded time and memory`, async (t) => {
    await mutate(t, cases, 1000 + i, make(1), make(2));
  });
}
