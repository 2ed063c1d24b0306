import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import fc from 'fast-check';
import '../support/seeded.ts';
import { TemperError } from '../../src/core/index.ts';
import { openDataset } from '../../src/data/index.ts';
import { FIXTURES } from '../support/dataset-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'temper-damage-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Reads everything; a data set that opens may also be whole by chance. */
async function readAll(path: string): Promise<void> {
  const table = await openDataset(path);
  try {
    for (let row = 0; row < table.length; row++) await table.read(row);
  } finally {
    await table.close();
  }
}

/** A few bytes changed, and perhaps the end cut off. */
const damage = fc.record({
  edits: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
  // Headers are where damage matters.
  near: fc.constantFrom('start', 'end', 'anywhere'),
  cut: fc.option(fc.nat()),
});

for (const name of ['webdataset-0.tar', 'huggingface.parquet', 'pyarrow-paged.parquet', 'images-u1.npy']) {
  test(`${name}, damaged, is read or refused with a typed error`, async () => {
    const whole = readFileSync(join(FIXTURES, name));
    await fc.assert(
      fc.asyncProperty(damage, async ({ edits, near, cut }) => {
        const bytes = Buffer.from(whole);
        const span = near === 'anywhere' ? bytes.length : Math.min(bytes.length, 1200);
        const start = near === 'end' ? bytes.length - span : 0;
        for (const [at, value] of edits) bytes[start + (at % span)] = value;
        writeFileSync(join(folder, name), cut === null ? bytes : bytes.subarray(0, cut % bytes.length));
        try {
          await readAll(join(folder, name));
        } catch (error) {
          assert.ok(error instanceof TemperError, (error as Error).stack);
        }
      }),
      { numRuns: 60 },
    );
  });
}
