import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { TemperError } from '../../src/core/index.ts';
import { openState } from '../../src/snapshots/index.ts';
import { unzip, zip } from '../support/checkpoint-writer.ts';
import { mutateBytes, seededInts } from '../support/mutate-bytes.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** Cases of each file; `MUTATIONS=100000` tries more, over time, from `MUTATIONS_SEED` on. */
const CASES = Number(process.env.MUTATIONS ?? 600);
const SEED = Number(process.env.MUTATIONS_SEED ?? 0);

/** What one case may take. */
const CASE_CPU_MS = 2000;
const CASE_MEMORY_BYTES = 256 * 2 ** 20;

const FIXTURES = 'fixtures/trainer';
const FILES = [
  'timm.pth.tar',
  'lightning.ckpt',
  'module.pt',
  'views.pth',
  'types.pth',
  'legacy.pt',
  'protocol-1.pth',
  'protocol-4.pth',
  'hf/checkpoint-900/model.safetensors',
];

const root = tempFolder();

/** Reads every tensor; returns how many there are. */
function readAll(path: string): number {
  const table = openState(path);
  try {
    for (const tensor of table.tensors.values()) {
      const cursor = tensor.open();
      assert.ok(cursor.byteLength <= 2 ** 28, `${tensor.name} ${tensor.dims.join()}`);
      const bytes = new Uint8Array(1 << 16);
      for (let done = 0; done < cursor.byteLength; done += bytes.length) {
        cursor.read(bytes.subarray(0, Math.min(bytes.length, cursor.byteLength - done)));
      }
    }
    table.assertUnchanged();
    return table.tensors.size;
  } finally {
    table.close();
  }
}

const memory = (): number => {
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
};

/** Half of the mutations of a zip break its pickle alone: those of the whole file mostly break the directory. */
function mutated(intact: Buffer, seed: number): { bytes: Buffer; what: string } {
  const int = seededInts(seed);
  if (intact.toString('latin1', 0, 2) !== 'PK' || int(2) === 0) return mutateBytes(intact, int, [...intact.keys()]);
  let what = '';
  const members = unzip(intact).map(({ name, data }) => {
    if (!name.endsWith('data.pkl')) return { name, data };
    const broken = mutateBytes(data, int, [...data.keys()]);
    what = `data.pkl: ${broken.what}`;
    return { name, data: broken.bytes };
  });
  return { bytes: zip(members), what };
}

function mutate(t: TestContext, file: string): void {
  const intact = readFileSync(join(FIXTURES, file));
  const path = join(root, file.replaceAll('/', '_'));
  const outcomes = new Map<string, number>();
  let [slowestMs, mostBytes] = [0, 0];
  for (let i = 0; i < CASES; i++) {
    const seed = SEED + i;
    const { bytes, what } = mutated(intact, seed);
    writeFileSync(path, bytes);
    const [cpu, held] = [process.cpuUsage(), memory()];
    let outcome = 'read';
    try {
      assert.ok(readAll(path) >= 0);
    } catch (error) {
      if (!(error instanceof TemperError)) throw new Error(`seed ${seed}: ${what}`, { cause: error });
      assert.ok(error.message.length < 5000);
      outcome = error.code;
    }
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    const { user, system } = process.cpuUsage(cpu);
    slowestMs = Math.max(slowestMs, (user + system) / 1000);
    mostBytes = Math.max(mostBytes, memory() - held);
  }
  t.diagnostic(
    `${CASES} cases: ${[...outcomes].map(([code, count]) => `${code} ${count}`).join(', ')}; slowest ${slowestMs.toFixed()} ms, most memory ${(mostBytes / 2 ** 20).toFixed()} MiB`,
  );
  assert.ok(slowestMs < CASE_CPU_MS, `a case took ${slowestMs} ms of CPU`);
  assert.ok(mostBytes < CASE_MEMORY_BYTES, `a case took ${mostBytes} bytes`);
  assert.ok((outcomes.get('read') ?? 0) > CASES / 50 && (outcomes.get('FORMAT_MALFORMED') ?? 0) > CASES / 50);
}

for (const file of FILES) {
  test(`${file} mutated: a table of tensors or a typed error, in bounded time and memory`, (t) => mutate(t, file));
}
