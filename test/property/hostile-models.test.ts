import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { TemperError } from '../../src/core/index.ts';
import { openModel } from '../../src/onnx/index.ts';
import { averageBroken, modelBreaker, placeModel, snapshotModel } from '../support/hostile/models.ts';
import { MOST_MESSAGE, memoryHeld } from '../support/hostile/target.ts';
import { seededInts } from '../support/mutate-bytes.ts';
import { type ModelFiles, richExternalModel, richFutureModel, richModel } from '../support/rich-models.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** What one case may take: hostile files of this size are refused or averaged in milliseconds. */
const CASE_CPU_MS = 2000;
const CASE_MEMORY_BYTES = 256 * 2 ** 20;

const root = tempFolder();

async function mutate(
  t: TestContext,
  cases: number,
  seed: number,
  victim: ModelFiles,
  other: ModelFiles,
): Promise<void> {
  const codes = new Map<string, number>();
  let [refused, single, mean, checkedMean, slowestMs, mostBytes] = [0, 0, 0, 0, 0, 0];
  const told = (error: unknown): void => {
    if (!(error instanceof TemperError)) throw error;
    codes.set(error.code, (codes.get(error.code) ?? 0) + 1);
    assert.ok(error.message.length < MOST_MESSAGE);
  };
  const intact = { model: openModel(placeModel(join(root, 'intact'), other)), bytes: other.model };
  const breaker = modelBreaker(victim);
  const int = seededInts(seed);
  const oneCase = async (files: ModelFiles): Promise<void> => {
    let model: ReturnType<typeof openModel>;
    try {
      model = openModel(placeModel(join(root, 'mutated'), files));
    } catch (error) {
      told(error);
      refused++;
      return;
    }
    try {
      const averaged = await averageBroken(model, files.model, intact, told);
      single += Number(averaged.single);
      mean += Number(averaged.mean);
      checkedMean += Number(averaged.checkedMean);
    } finally {
      model.close();
    }
  };
  try {
    for (let i = 0; i < cases; i++) {
      const { file, bytes, what } = breaker(int);
      const mutated =
        file === 'model.onnx' ? { ...victim, model: bytes } : { ...victim, data: { ...victim.data, [file]: bytes } };
      const [cpu, held] = [process.cpuUsage(), memoryHeld()];
      try {
        await oneCase(mutated);
      } catch (error) {
        throw new Error(`seed ${seed}, case ${i}: ${what}`, { cause: error });
      }
      const { user, system } = process.cpuUsage(cpu);
      slowestMs = Math.max(slowestMs, (user + system) / 1000);
      mostBytes = Math.max(mostBytes, memoryHeld() - held);
    }
  } finally {
    intact.model.close();
  }
  const counted = [...codes].sort(([, x], [, y]) => y - x).map(([code, count]) => `${code} ${count}`);
  t.diagnostic(
    `${cases} cases: ${refused} refused at once, ${single} copied alone, ${mean} averaged with an intact one (${checkedMean} compared with onnx-proto); slowest ${slowestMs.toFixed(0)} ms, most memory ${(mostBytes / 2 ** 20).toFixed(0)} MiB; ${counted.join(', ')}`,
  );
  assert.ok(slowestMs < CASE_CPU_MS, `a case took ${slowestMs} ms of CPU`);
  assert.ok(mostBytes < CASE_MEMORY_BYTES, `a case took ${mostBytes} bytes`);
  // The mutations must leave enough alive to test what follows the walk.
  assert.ok(single > cases / 20 && mean > cases / 50 && refused > cases / 20);
}

const MODELS: readonly [string, number, (seed: number) => ModelFiles][] = [
  ['a real snapshot', 700, (seed) => snapshotModel(20 + seed)],
  ['a small model with everything', 1500, richModel],
  ['with external data', 1500, richExternalModel],
  ['with external data and fields from the future', 800, richFutureModel],
];

for (const [i, [name, cases, make]] of MODELS.entries()) {
  test(`${name}, mutated ${cases} times: a typed error or a correct result, in bounded time and memory`, async (t) => {
    await mutate(t, cases, 1000 + i, make(1), make(2));
  });
}
