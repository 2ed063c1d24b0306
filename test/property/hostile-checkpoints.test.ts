import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CHECKPOINT_FILES, checkpointTarget } from '../support/hostile/checkpoints.ts';
import { caseOf, memoryHeld, placeTarget, runCase } from '../support/hostile/target.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** Cases of each file; the soak suite tries more. */
const CASES = 600;

/** What one case may take. */
const CASE_CPU_MS = 2000;
const CASE_MEMORY_BYTES = 256 * 2 ** 20;

const root = tempFolder();

async function mutate(t: TestContext, file: string): Promise<void> {
  const target = checkpointTarget(file);
  const folder = mkdtempSync(join(root, 'case-'));
  placeTarget(target, folder);
  const outcomes = new Map<string, number>();
  let [slowestMs, mostBytes] = [0, 0];
  for (let seed = 0; seed < CASES; seed++) {
    const mutated = caseOf(target, seed);
    const [cpu, held] = [process.cpuUsage(), memoryHeld()];
    const outcome = await runCase(target, folder, mutated).catch((cause: unknown) => {
      throw new Error(`seed ${seed}: ${mutated.what}`, { cause });
    });
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    const { user, system } = process.cpuUsage(cpu);
    slowestMs = Math.max(slowestMs, (user + system) / 1000);
    mostBytes = Math.max(mostBytes, memoryHeld() - held);
  }
  t.diagnostic(
    `${CASES} cases: ${[...outcomes].map(([code, count]) => `${code} ${count}`).join(', ')}; slowest ${slowestMs.toFixed()} ms, most memory ${(mostBytes / 2 ** 20).toFixed()} MiB`,
  );
  assert.ok(slowestMs < CASE_CPU_MS, `a case took ${slowestMs} ms of CPU`);
  assert.ok(mostBytes < CASE_MEMORY_BYTES, `a case took ${mostBytes} bytes`);
  assert.ok((outcomes.get('read') ?? 0) > CASES / 50 && (outcomes.get('FORMAT_MALFORMED') ?? 0) > CASES / 50);
}

for (const file of CHECKPOINT_FILES) {
  test(`${file} mutated: a table of tensors or a typed error, in bounded time and memory`, (t) => mutate(t, file));
}
