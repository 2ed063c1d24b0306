/** The sweep as a function: what a program that imports it gets. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { resolveTransform } from '../../../../src/data/index.ts';
import { type SweepOptions, sweep } from '../../../../src/resolution/index.ts';
import { expectFailure } from '../../../support/expect-failure.ts';
import { FASHION, SNAPSHOTS } from '../../../support/fashion.ts';

const PLAIN = { preset: 'none', mean: [0.286], std: [0.353] } as const;
const OPTIONS: SweepOptions = {
  models: [SNAPSHOTS.at(-1) as string],
  data: {
    source: join(FASHION, 'test-images-idx3-ubyte.gz'),
    labels: join(FASHION, 'test-labels-idx1-ubyte.gz'),
    rows: { start: 0, end: 60 },
  },
  trainSize: 20,
  sizes: [{ ratio: 1.2 }],
  transform: PLAIN,
  device: 'cpu',
  threads: 1,
  workers: 1,
};

test('the record is plain data: rows with what they were computed from, and a choice among them', async () => {
  const record = await sweep(OPTIONS);
  assert.deepEqual(
    record.rows.map(({ model, size, trainSize, variant, baseline, verdict, fields }) => [
      [model, size, trainSize, variant, baseline, verdict.verdict],
      [fields.rows, fields.n_images],
    ]),
    [
      [
        ['epoch_25.onnx', 20, 20, 'keep', true, 'safe'],
        ['0:60', 60],
      ],
      [
        ['epoch_25.onnx', 24, 20, 'keep', false, 'safe'],
        ['0:60', 60],
      ],
    ],
  );
  assert.equal(record.rows[0]?.predictions?.keys.length, 60);
  const [choice] = record.choices;
  assert.deepEqual([choice?.choice.choosingImages, choice?.choice.reportingImages], [30, 30]);
  assert.deepEqual([record.predictions, record.badImages], [undefined, []]);
  assert.doesNotThrow(() => structuredClone(record));
});

test('a whole transform gives the rows of the options that it came from', async () => {
  const transform = resolveTransform({ ...PLAIN, size: 20, color: 'grey' });
  const hashes = async (options: SweepOptions) =>
    (await sweep(options)).rows.map(({ fields }) => [fields.transform_sha256, fields.top1]);
  assert.deepEqual(await hashes({ ...OPTIONS, transform }), await hashes(OPTIONS));
});

test('an area that is none is refused before anything is opened', async () => {
  await expectFailure('USAGE', [/^`scale` 0.5,0.2: expected/], () =>
    sweep({ ...OPTIONS, models: ['missing.onnx'], scale: [0.5, 0.2] }),
  );
});

test('notes say what is doubtful, progress counts images, and an aborted signal ends the sweep with its reason', async () => {
  const notes: string[] = [];
  const totals: [string, number][] = [];
  const observer = {
    note: (text: string) => void notes.push(text),
    progress: (label: string, total: number) => {
      totals.push([label, total]);
      return { update: () => undefined, end: () => undefined };
    },
  };
  await sweep(OPTIONS, { observer });
  assert.deepEqual(notes, []);
  assert.deepEqual(totals, [['evaluating 2 rows', 60]]);
  const reason = new Error('enough');
  await assert.rejects(sweep(OPTIONS, { signal: AbortSignal.abort(reason) }), reason);
});
