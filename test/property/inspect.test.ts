import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { writeMomentsFile } from '../../src/batchnorm/index.ts';
import { EXIT_CODES } from '../../src/core/index.ts';
import { inspect } from '../../src/index.ts';
import { FIXTURES } from '../support/dataset-files.ts';
import { SNAPSHOTS } from '../support/fashion.ts';
import { jobBatches, RUN } from '../support/moments.ts';
import { mutateBytes, seededInts } from '../support/mutate-bytes.ts';
import { mutateFields } from '../support/mutate-fields.ts';
import { quantizedTeacher } from '../support/quantized-teacher.ts';
import { richExternalModel, richFutureModel, richModel } from '../support/rich-models.ts';
import { makeStore } from '../support/target-store.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** What one file may take; all of them are some kilobytes. */
const CASE_CPU_MS = 2000;
const CASE_MEMORY_BYTES = 300 * 2 ** 20;

const root = tempFolder();

/** Files by their paths in a folder, of which one is damaged; what is inspected. */
interface Victim {
  readonly files: Readonly<Record<string, Buffer>>;
  readonly damaged: readonly string[];
  readonly inspected: string;
  readonly cases: number;
}

const single = (name: string, bytes: Uint8Array, cases: number): Victim => ({
  files: { [name]: Buffer.from(bytes) },
  damaged: [name],
  inspected: name,
  cases,
});

function treeOf(folder: string): Record<string, Buffer> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    names.map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      return [path.slice(folder.length + 1), readFileSync(path)];
    }),
  );
}

async function victims(): Promise<Record<string, Victim>> {
  const moments = join(root, 'moments.safetensors');
  writeMomentsFile(moments, RUN, jobBatches(), { force: false });
  const store = treeOf(await makeStore(root, 'store'));
  const external = richExternalModel(1);
  return {
    'a real snapshot': single('epoch_14.onnx', readFileSync(SNAPSHOTS[0] as string), 150),
    'a small model with everything': single('model.onnx', richModel(1).model, 250),
    'a model from the future': single('model.onnx', richFutureModel(1).model, 100),
    'a quantized model': single('model.onnx', quantizedTeacher(8), 100),
    'external data': {
      files: { ...external.data, 'model.onnx': external.model },
      damaged: ['model.onnx', ...Object.keys(external.data)],
      inspected: 'model.onnx',
      cases: 100,
    },
    moments: single('moments.safetensors', readFileSync(moments), 100),
    'a store': {
      files: Object.fromEntries(Object.entries(store).map(([name, bytes]) => [`store/${name}`, bytes])),
      damaged: ['store/run.json', 'store/manifest.json', 'store/samples.csv'],
      inspected: 'store',
      cases: 100,
    },
    'a tar': single('a.tar', readFileSync(join(FIXTURES, 'webdataset-0.tar')), 50),
    'a Parquet file': single('a.parquet', readFileSync(join(FIXTURES, 'huggingface.parquet')), 50),
  };
}

const memory = (): number => {
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
};

test('1,000 mutated files: an answer or a typed error, in bounded time and memory', async (t) => {
  const int = seededInts(13);
  let [slowest, most, cases, errors] = [0, 0, 0, 0];
  for (const [what, { files, damaged, inspected, cases: count }] of Object.entries(await victims())) {
    const folder = join(root, what);
    for (const [name, bytes] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), bytes);
    }
    for (let i = 0; i < count; i++) {
      const name = damaged[int(damaged.length)] as string;
      const whole = files[name] as Buffer;
      const head = Array.from({ length: Math.min(whole.length, 8192) }, (_, at) => at);
      const mutated = name.endsWith('.onnx') && int(2) === 0 ? mutateFields(whole, int) : mutateBytes(whole, int, head);
      writeFileSync(join(folder, name), mutated.bytes);
      const [cpu, held] = [process.cpuUsage(), memory()];
      try {
        const { files: found, exitCode } = await inspect({ files: [join(folder, inspected)] });
        const [one] = found;
        assert.ok(one && one.is.length > 0);
        const expected = one.error ? EXIT_CODES[one.error.code] : one.contradictions.length > 0 ? 1 : 0;
        assert.equal(exitCode, expected);
        JSON.stringify(found);
        errors += one.error ? 1 : 0;
      } catch (error) {
        throw new Error(`${what}, case ${i}: ${mutated.what}`, { cause: error });
      }
      const { user, system } = process.cpuUsage(cpu);
      slowest = Math.max(slowest, (user + system) / 1000);
      most = Math.max(most, memory() - held);
      cases++;
      writeFileSync(join(folder, name), whole);
    }
  }
  t.diagnostic(
    `${cases} cases, ${errors} errors; slowest ${slowest.toFixed(0)} ms, most ${(most / 2 ** 20).toFixed(0)} MiB`,
  );
  assert.equal(cases, 1000);
  assert.ok(slowest < CASE_CPU_MS, `a case took ${slowest} ms of CPU`);
  assert.ok(most < CASE_MEMORY_BYTES, `a case took ${most} bytes`);
  assert.ok(errors > 300 && errors < 980, `${errors} errors`);
});
