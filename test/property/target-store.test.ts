import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { TemperError } from '../../src/core/index.ts';
import { checkParts, openStore, verifyStore } from '../../src/distill/index.ts';
import { readStore } from '../support/hostile/own-files.ts';
import { mutateBytes, seededInts } from '../support/mutate-bytes.ts';
import { fileHashes } from '../support/run-teacher.ts';
import '../support/seeded.ts';
import { makeStore, storeRun } from '../support/target-store.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();
const ROUNDS = 60;

test('a store with bytes of any file changed, cut, moved or put in is read or refused with a typed error, and never verified', async () => {
  const folder = await makeStore(root, 'store', storeRun({ rows_per_part: 12, kind: 'top_k', top_k: 3 }));
  const files = ['manifest.json', ...Object.keys(openStore(folder).manifest.files)];
  const outcomes: Record<string, number> = {};
  const count = (what: string): void => {
    outcomes[what] = (outcomes[what] ?? 0) + 1;
  };
  for (const [i, file] of files.entries()) {
    const path = join(folder, file);
    const bytes = readFileSync(path);
    for (let round = 0; round < ROUNDS; round++) {
      const seed = 1000 * i + round;
      const mutated = mutateBytes(bytes, seededInts(seed), [...bytes.keys()]);
      if (mutated.bytes.equals(bytes)) continue;
      writeFileSync(path, mutated.bytes);
      const attempt = async (what: string, action: () => unknown): Promise<boolean> => {
        try {
          await action();
          return true;
        } catch (error) {
          assert.ok(
            error instanceof TemperError,
            `${what}, ${file}, seed ${seed}, ${mutated.what}: ${(error as Error).stack}`,
          );
          count(`${what} ${error.code}`);
          return false;
        }
      };
      if (await attempt('read', () => readStore(folder))) count('read');
      let whole = false;
      await attempt('verify', async () => {
        whole = (await verifyStore(folder)).problems.length === 0;
      });
      assert.ok(!whole, `${file}, seed ${seed}, ${mutated.what}: not found`);
    }
    writeFileSync(path, bytes);
  }
  for (const outcome of ['read', 'read FORMAT_MALFORMED', 'read FORMAT_TRUNCATED', 'verify FORMAT_MALFORMED']) {
    assert.ok((outcomes[outcome] ?? 0) > 5, JSON.stringify(outcomes));
  }
});

test('whatever the numbers of samples, views and rows of a part, a store is whole and its parts may be made in any order', async () => {
  let number = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        n_samples: fc.integer({ min: 1, max: 20 }),
        views: fc.integer({ min: 1, max: 4 }),
        samplesPerPart: fc.integer({ min: 1, max: 9 }),
        top_k: fc.option(fc.integer({ min: 1, max: 7 })),
        store_dtype: fc.constantFrom('float16' as const, 'float32' as const),
        seed: fc.nat(),
      }),
      async ({ samplesPerPart, ...change }) => {
        const kind = change.top_k === null ? 'dense' : 'top_k';
        const run = storeRun({ ...change, kind, rows_per_part: samplesPerPart * change.views });
        const parts = Array.from({ length: run.n_parts }, (_, part) => part);
        const int = seededInts(change.seed);
        const shuffled = [...parts, ...parts.slice(0, 2)].sort(() => int(2) - 0.5);
        const [a, b] = [
          await makeStore(root, `a${++number}`, run, parts),
          await makeStore(root, `b${number}`, run, shuffled),
        ];
        assert.deepEqual(fileHashes(a), fileHashes(b));
        assert.deepEqual((await verifyStore(a)).problems, []);
        await checkParts(b);
        for (const folder of [a, b]) rmSync(folder, { recursive: true });
      },
    ),
    { numRuns: 25 },
  );
});
