import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { FieldRow } from '../../../../src/core/index.ts';
import { makeTargets, scoreTargets } from '../../../../src/targets.ts';
import { expectFailure } from '../../../support/expect-failure.ts';
import { anySizeTeacher, writeImages } from '../../../support/target-images.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const folder = tempFolder();
const at = (name: string): string => join(folder, name);
const data = writeImages(folder, 40, 28);
const CPU = { device: 'cpu', threads: 1, workers: 1 } as const;
const GREY = { mean: [0.5], std: [0.25] };
const student = at('teacher.onnx');
writeFileSync(student, anySizeTeacher());

const made = (out: string, size: { width: number; height: number }) =>
  makeTargets({ teachers: [student], data, transform: { ...GREY, size }, storeDtype: 'float32', out, ...CPU });

test('a teacher on images that are not square sees what it saw when it is scored: no number of the transform is lost', async () => {
  const store = at('oblong');
  await made(store, { width: 26, height: 20 });
  const { scores, transform, fields } = await scoreTargets({ store, student, data, ...CPU });
  // Rebuilt from its short side the resize target would be 22 x 28.
  assert.deepEqual(transform?.resize, { width: 29, height: 22 });
  assert.equal(fields.test_size, '20x26');
  for (const { kl } of scores[0]?.temperatures ?? []) assert.ok(Math.abs(kl) < 1e-9, String(kl));
  assert.equal(scores[0]?.agree1, 1);
});

test('a transform that is given is used, and shows', async () => {
  const store = at('oblong');
  const { scores } = await scoreTargets({ store, student, data, transform: { ...GREY, size: 20 }, ...CPU });
  assert.ok((scores[0]?.temperatures[0]?.kl ?? 0) > 1e-7);
  await expectFailure('USAGE', [/`temperatures` 1,1/], () =>
    scoreTargets({ store, student, data, temperatures: [1, 1], ...CPU }),
  );
});

test('rows come one by one with the fields of the table, and the tables carry what was compared', async () => {
  const rows: FieldRow[] = [];
  const onRow = (row: FieldRow): unknown => rows.push(row);
  const record = await scoreTargets({ store: at('oblong'), student, data, onRow, temperatures: [1, 0.5], ...CPU });
  assert.equal(rows.length, 40);
  assert.deepEqual(
    [...Object.keys(rows[0] ?? {})],
    ['source', 'key', 'view', 'label', 'teacher_class', 'student_class', 'kl_t1', 'kl_t0.5'],
  );
  assert.equal(record.rows.length, 2);
  assert.equal(record.rows[1]?.student, 'teacher.onnx');
  assert.equal(
    record.classRows.reduce((sum, { n_rows }) => sum + Number(n_rows), 0),
    40,
  );
});
