import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { grownTargets, nameOf, readCorpus } from '../fuzz/corpus.ts';
import { outcomeOf, placeTarget } from '../support/hostile/target.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();

test('every file of the corpus ends as it did: read, or refused with the same code', async (t) => {
  let cases = 0;
  for (const [i, target] of (await grownTargets(join(root, 'made'))).entries()) {
    const folder = join(root, `${i}`);
    mkdirSync(folder);
    placeTarget(target, folder);
    const corpus = readCorpus(target);
    assert.ok(corpus.length > 0, nameOf(target));
    for (const [at, { code, ...one }] of corpus.entries()) {
      const outcome = await outcomeOf(target, folder, { ...one, what: 'kept' });
      assert.equal(outcome.code, code, `${nameOf(target)}, ${at}: ${outcome.message}`);
    }
    cases += corpus.length;
  }
  t.diagnostic(`${cases} files`);
});
