import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { mergeMomentsFiles, readMomentsFile, writeMomentsFile } from '../../src/batchnorm/index.ts';
import { memorySource, TemperError } from '../../src/core/index.ts';
import { jobBatches, RUN } from '../support/moments.ts';
import { mutateBytes, seededInts } from '../support/mutate-bytes.ts';
import { tempFolder } from '../support/temp-folder.ts';

test('a moments file with bytes changed, cut, moved or put in is merged or refused with a typed error', () => {
  const path = join(tempFolder(), 'moments');
  writeMomentsFile(path, RUN, jobBatches(), { force: false });
  const bytes = readFileSync(path);
  const headerEnd = 8 + Number(bytes.readBigUInt64LE());
  const places = Array.from({ length: headerEnd + 200 }, (_, at) => at);
  const outcomes: Record<string, number> = {};
  for (let seed = 0; seed < 5000; seed++) {
    const mutated = mutateBytes(bytes, seededInts(seed), places);
    try {
      for (const { layers } of mergeMomentsFiles([readMomentsFile(memorySource(mutated.bytes))]).batches()) {
        assert.deepEqual(
          layers.map(({ mean, variance }) => [mean.length, variance.length]),
          layers.map((_, l) => [RUN.layers[l]?.channels, RUN.layers[l]?.channels]),
        );
      }
      outcomes.merged = (outcomes.merged ?? 0) + 1;
    } catch (error) {
      assert.ok(error instanceof TemperError, `seed ${seed}, ${mutated.what}: ${(error as Error).stack}`);
      outcomes[error.code] = (outcomes[error.code] ?? 0) + 1;
    }
  }
  for (const outcome of ['merged', 'FORMAT_MALFORMED', 'FORMAT_TRUNCATED']) {
    assert.ok((outcomes[outcome] ?? 0) > 5, JSON.stringify(outcomes));
  }
});
