import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { writePerImage } from '../../../../cli/eval-ckpt/per-image-file.ts';
import { readParquetTable } from '../../../../src/data/index.ts';
import { keepScores, type Predictions, readPerImage, scoreColumn } from '../../../../src/evaluate/index.ts';
import { expectFailure } from '../../../support/expect-failure.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const folder = tempFolder();
const at = (name: string): string => join(folder, name);

interface One {
  readonly key: string;
  readonly label: number;
  readonly top5: readonly number[];
  readonly numbers: readonly number[];
}

const predictions = (rows: readonly One[]): Predictions => ({
  keys: rows.map(({ key }) => key),
  labels: Int32Array.from(rows, ({ label }) => label),
  top5: Int32Array.from(rows.flatMap(({ top5 }) => top5)),
  nll: Float64Array.from(rows, ({ numbers }) => numbers[0] as number),
  confidence: Float64Array.from(rows, ({ numbers }) => numbers[1] as number),
  sumP2: Float64Array.from(rows, ({ numbers }) => numbers[2] as number),
});

// Keys as hostile as file names can be; numbers of every magnitude.
const one: fc.Arbitrary<One> = fc.record({
  key: fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('a,b', '"', 'x\ny', ' 7 ', '', '=1+1', '007')),
  label: fc.nat({ max: 2 ** 31 - 1 }),
  top5: fc.array(fc.integer({ min: -1, max: 2 ** 31 - 1 }), { minLength: 5, maxLength: 5 }),
  numbers: fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 3, maxLength: 3 }),
});

for (const extension of ['csv', 'parquet']) {
  test(`what is written as ${extension} is read back bit for bit, models in order, whatever keys look like`, async () => {
    const path = at(`round.${extension}`);
    await fc.assert(
      fc.asyncProperty(fc.array(one, { minLength: 1, maxLength: 8 }), async (rows) => {
        // -0 has no decimal of its own; no score is -0.
        const given = predictions(rows.map((row) => ({ ...row, numbers: row.numbers.map((x) => x + 0) })));
        const models = ['b.onnx', 'dir/a,"b".onnx', 'b.onnx (2)'].map((model) => ({ model, predictions: given }));
        await writePerImage(path, models, true);
        assert.deepEqual(await readPerImage(path), models);
        const parts = models.map((model) => ({ ...model, part: { shard: '1/3', job_sha256: 'a'.repeat(64) } }));
        await writePerImage(path, parts, true);
        assert.deepEqual(await readPerImage(path), parts);
      }),
      { numRuns: 60 },
    );
  });
}

/** Rows of a model that gave the values, two classes. */
function withScores(values: readonly number[], double: boolean) {
  const images = values.length / 2;
  const kept = keepScores();
  const limits = { smallest: double ? 2 ** -1074 : 2 ** -149, largestBelowOne: double ? 1 - 2 ** -53 : 1 - 2 ** -24 };
  const data = double ? Float64Array.from(values) : Float32Array.from(values);
  // In two batches.
  for (const [from, end] of [
    [0, 1],
    [1, images],
  ] as const) {
    kept.add({ rows: end - from, classes: 2, data: data.subarray(2 * from, 2 * end), ...limits });
  }
  const row = { label: 1, top5: [1, 0, -1, -1, -1], numbers: [0.5, 0.6, 0.52] };
  const rows = Array.from({ length: images }, (_, i) => ({ key: `a,"${i}"\n`, ...row }));
  return { predictions: predictions(rows), scores: kept.end('log-probabilities') };
}

test('all that a model gave is read back bit for bit, from CSV and Parquet, in float32 and float64', async () => {
  const value = (double: boolean) =>
    fc.oneof(
      double ? fc.double({ noNaN: true, max: 1e300 }) : fc.float({ noNaN: true, max: 2 ** 120 }),
      fc.constant(-Infinity),
    );
  for (const double of [false, true]) {
    await fc.assert(
      fc.asyncProperty(fc.array(value(double), { minLength: 4, maxLength: 4 }), async (given) => {
        const values = given.map((x) => x + 0);
        const one = withScores(values, double);
        const none = { model: 'mean', predictions: one.predictions };
        const models = [{ model: 'm', ...one }, none];
        for (const path of [at('scores.csv'), at('scores.parquet')]) {
          await writePerImage(path, models, true);
          const read = await readPerImage(path);
          assert.deepEqual(read, [{ model: 'm', predictions: one.predictions }, none]);
        }
        const found: unknown[] = [];
        for await (const block of readParquetTable(at('scores.parquet'), () => true)) {
          for (let i = 0; i < block.length; i++)
            found.push([0, 1].map((k) => block.column(scoreColumn(k))(i) ?? undefined));
        }
        const empty = [undefined, undefined];
        assert.deepEqual(found, [values.slice(0, 2), values.slice(2), empty, empty]);
      }),
      { numRuns: 30 },
    );
  }
});

const HEADER = 'model,key,label,class1,class2,class3,class4,class5,nll,confidence,sum_p2';
const ROW = 'm,k,1,1,2,3,4,5,0.5,0.6,0.4';

test('files that are no predictions are refused, with the row: an empty cell is no zero', async () => {
  for (const [text, pattern] of [
    [HEADER, /no predictions/],
    ['', /no predictions/],
    [`${HEADER.replace('nll', 'loss')}\n${ROW}`, /row 1: no column nll/],
    [`${HEADER}\n${ROW}\n${ROW.replace('0.5', '')}`, /row 2: nll is "", expected a number/],
    [`${HEADER}\n${ROW.replace('0.5', 'x')}`, /row 1: nll is "x"/],
    [`${HEADER}\n${ROW.replace('0.5', 'Infinity')}`, /row 1: nll is "Infinity"/],
    [`${HEADER}\n${ROW.replace('k,1,', 'k,1.5,')}`, /row 1: label is 1\.5, expected a class index/],
    [`${HEADER},shard,job_sha256\n${ROW},0/2,a\n${ROW},1/2,a`, /row 2: is of another worker or job than row 1/],
    [`${HEADER},shard,job_sha256\n${ROW},0/2,a\n${ROW},,`, /row 2: is of another worker or job than row 1/],
    [`${HEADER}\n${ROW},9`, /cannot be read/],
    [`${HEADER}\n"${ROW}`, /cannot be read/],
  ] as const) {
    writeFileSync(at('bad.csv'), text);
    await expectFailure('FORMAT_TABLE', [pattern, /`perImage`/], () => readPerImage(at('bad.csv')));
  }
  writeFileSync(at('bad.parquet'), 'PAR1 no more than that');
  await expectFailure('FORMAT_TABLE', [/cannot be read/], () => readPerImage(at('bad.parquet')));
  await expectFailure('INPUT_NOT_FOUND', [/none\.csv/], () => readPerImage(at('none.csv')));
});

test('a byte order mark and Windows line ends, as spreadsheets leave them, are read', async () => {
  writeFileSync(at('excel.csv'), `\ufeff${HEADER}\r\n${ROW}\r\n`);
  const [found] = await readPerImage(at('excel.csv'));
  assert.deepEqual([found?.model, found?.predictions.keys, [...(found?.predictions.nll ?? [])]], ['m', ['k'], [0.5]]);
});

test('another extension is a usage error for reading and writing, and an existing file stays', async () => {
  const rows = [{ model: 'm', predictions: predictions([]) }];
  for (const name of ['p.txt', 'p', 'p.parquet.gz']) {
    await expectFailure('USAGE', [/\.csv or \.parquet/], () => writePerImage(at(name), rows, true));
    await expectFailure('USAGE', [/\.csv or \.parquet/], () => readPerImage(at(name)));
  }
  writeFileSync(at('kept.csv'), 'kept');
  await expectFailure('OUTPUT_EXISTS', [/`force`/], () => writePerImage(at('kept.csv'), rows, false));
  assert.equal(readFileSync(at('kept.csv'), 'utf8'), 'kept');
});

test('Parquet is read a row group at a time, models may be mixed and numbers of any width', async () => {
  const given = predictions(
    Array.from({ length: 50 }, (_, i) => ({
      key: `k${i}`,
      label: i % 3,
      top5: [i % 2, 2, -1, -1, -1],
      numbers: [i, 0.5, 0.25],
    })),
  );
  const path = at('groups.parquet');
  const rows = [...given.keys.keys()].flatMap((i) => ['a.onnx', 'b.onnx'].map((model) => ({ i, model })));
  const column = (name: string, type: 'STRING' | 'INT64' | 'FLOAT', of: (row: (typeof rows)[number]) => unknown) => ({
    name,
    type,
    data: rows.map(of),
  });
  const { parquetWriteBuffer } = await import('hyparquet-writer');
  const bytes = parquetWriteBuffer({
    columnData: [
      column('model', 'STRING', ({ model }) => model),
      column('key', 'STRING', ({ i }) => `k${i}`),
      column('label', 'INT64', ({ i }) => BigInt(i % 3)),
      ...[0, 1, 2, 3, 4].map((k) =>
        column(`class${k + 1}`, 'INT64', ({ i }) => BigInt(given.top5[5 * i + k] as number)),
      ),
      column('nll', 'FLOAT', ({ i }) => i),
      column('confidence', 'FLOAT', () => 0.5),
      column('sum_p2', 'FLOAT', () => 0.25),
      column('further', 'STRING', () => 'x'),
    ],
    rowGroupSize: 7,
  });
  writeFileSync(path, new Uint8Array(bytes));
  assert.deepEqual(
    await readPerImage(path),
    ['a.onnx', 'b.onnx'].map((model) => ({ model, predictions: given })),
  );
});
