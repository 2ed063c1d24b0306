import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { datasetTargets } from '../support/hostile/datasets.ts';
import { ownFileTargets } from '../support/hostile/own-files.ts';
import { caseOf, type HostileTarget, placeTarget, runCase } from '../support/hostile/target.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** Of each file; `npm run test:soak` tries a million. */
const CASES = 60;

const root = tempFolder();

async function breakFiles(targets: readonly HostileTarget[]): Promise<Record<string, number>> {
  const outcomes: Record<string, number> = {};
  for (const target of targets) {
    const folder = mkdtempSync(join(root, 'case-'));
    placeTarget(target, folder);
    for (let seed = 0; seed < CASES; seed++) {
      const mutated = caseOf(target, seed);
      const outcome = await runCase(target, folder, mutated).catch((cause: unknown) => {
        throw new Error(`${target.kind}/${target.name}, seed ${seed}: ${mutated.what}`, { cause });
      });
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    }
  }
  return outcomes;
}

test('data sets, lists and images that are broken are read or refused with a typed error', async () => {
  const outcomes = await breakFiles(await datasetTargets());
  for (const code of ['read', 'FORMAT_MALFORMED', 'FORMAT_TABLE', 'FORMAT_IMAGE']) {
    assert.ok((outcomes[code] ?? 0) > 30, JSON.stringify(outcomes));
  }
});

test('files that the product wrote, and configurations, are read or refused with a typed error when they are broken', async () => {
  const outcomes = await breakFiles(await ownFileTargets(join(root, 'made')));
  for (const code of ['read', 'FORMAT_MALFORMED', 'FORMAT_TRUNCATED', 'FORMAT_TABLE']) {
    assert.ok((outcomes[code] ?? 0) > 5, JSON.stringify(outcomes));
  }
});
