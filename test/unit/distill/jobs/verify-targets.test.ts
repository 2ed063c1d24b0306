import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeTargets, verifyTargets } from '../../../../src/targets.ts';
import { expectFailure } from '../../../support/expect-failure.ts';
import { quantizedTeacher } from '../../../support/quantized-teacher.ts';
import { anySizeTeacher, writeImages } from '../../../support/target-images.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const SIDE = 8;
const folder = tempFolder();
const at = (name: string): string => join(folder, name);
const data = writeImages(folder, 100, SIDE);
const transform = { preset: 'none', size: SIDE } as const;
const CPU = { device: 'cpu', threads: 1, workers: 1 } as const;
writeFileSync(at('quantized.onnx'), quantizedTeacher(SIDE));
writeFileSync(at('plain.onnx'), anySizeTeacher());

async function made(name: string, batch: number): Promise<{ store: string; notes: string[] }> {
  const notes: string[] = [];
  const options = { teachers: [at(`${name}.onnx`)], data, transform, batch, rowsPerShard: 30, out: at(name), ...CPU };
  await makeTargets(options, { observer: { note: (text) => notes.push(text) } });
  return { store: at(name), notes };
}

test('logits that depend on the batch are said, and verified in the batches of the store', async () => {
  const { store, notes } = await made('quantized', 12);
  assert.ok(notes.some((note) => /quantized\.onnx: its logits depend on the batch/.test(note)));
  for (const samples of [5, 40, 1000]) {
    const record = await verifyTargets({ store, data, teachers: [at('quantized.onnx')], samples, ...CPU });
    const [teacher] = record.teachers;
    assert.deepEqual([record.passed, teacher?.n_rows], [true, Math.min(samples, 100)]);
    assert.ok((teacher?.max_relative ?? 1) < 1e-6, String(teacher?.max_relative));
  }
});

test('of a network without such a dependence nothing is said', async () => {
  const { store, notes } = await made('plain', 12);
  assert.ok(!notes.some((note) => /depend/.test(note)), notes.join('\n'));
  assert.equal((await verifyTargets({ store, data, teachers: [at('plain.onnx')], ...CPU })).passed, true);
  assert.deepEqual((await verifyTargets({ store })).teachers, []);
});

test('recomputing needs images and models', async () => {
  await expectFailure('USAGE', [/`data` and `teachers`/], () => verifyTargets({ store: at('plain'), data }));
});
