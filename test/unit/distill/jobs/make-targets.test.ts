import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeTargets, mergeTargets, openTargets } from '../../../../src/targets.ts';
import { expectFailure } from '../../../support/expect-failure.ts';
import { anySizeTeacher, writeImages } from '../../../support/target-images.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const folder = tempFolder();
const at = (name: string): string => join(folder, name);
const data = writeImages(folder, 30);
const teachers = [at('teacher.onnx')];
writeFileSync(at('teacher.onnx'), anySizeTeacher());
const CPU = { device: 'cpu', threads: 1, workers: 1 } as const;
const common = { teachers, data, transform: { preset: 'none', size: 8 }, rowsPerShard: 10, ...CPU } as const;

test('workers make their parts, and merging completes the bytes of a run alone', async () => {
  const alone = await makeTargets({ ...common, out: at('alone') });
  assert.deepEqual([alone.parts?.made, alone.parts?.kept, alone.whole?.complete], [3, 0, true]);
  for (const index of [0, 1]) {
    const { parts, whole, teachers } = await makeTargets({ ...common, out: at('shared'), shard: { index, count: 2 } });
    assert.deepEqual([parts?.made, whole, teachers[0]?.top1], [2 - index, undefined, null]);
  }
  const merged = await mergeTargets({ store: at('shared') });
  assert.equal(merged.manifestSha256, alone.whole?.manifestSha256);
  assert.deepEqual(merged.teachers, alone.teachers);
});

test('a dry run says how large, and writes nothing', async () => {
  const { estimate, parts, whole, fields } = await makeTargets({ ...common, out: at('dry'), dryRun: true });
  assert.deepEqual([parts, whole, fields.n_parts, estimate.parts], [undefined, undefined, 3, 3]);
  assert.ok(estimate.bytes > 30 * estimate.bytesPerRow);
  assert.ok(!existsSync(at('dry')));
});

test('pictures that do not fit the transform are remarked on; with views, which are crops of training, not', async () => {
  const warnings = async (more: object) =>
    (await makeTargets({ ...common, out: at('odd'), dryRun: true, ...more })).warnings;
  assert.deepEqual(await warnings({}), []);
  const preset = { transform: { size: 8, mean: [0.5], std: [0.5] } };
  assert.match(String(await warnings(preset)), /own size, 8, but are resized to 9.*`preset` none `size` 8/);
  assert.deepEqual(await warnings({ ...preset, views: { augment: { flip: 0.5 }, count: 2 } }), []);
});

test('a gate sees the scores; where it says no the parts stay without a manifest', async () => {
  const options = { ...common, out: at('gated') };
  const seen: (number | null)[] = [];
  const { whole } = await makeTargets({ ...options, gate: ([one]) => seen.push(one?.top1 ?? null) === 0 });
  assert.equal(typeof seen[0], 'number');
  assert.deepEqual([whole?.complete, existsSync(at('gated/manifest.json'))], [false, false]);
  assert.equal((await mergeTargets({ store: at('gated'), gate: ([one]) => one?.n_scored === 30 })).complete, true);
  await expectFailure('USAGE', [/`gate` needs labels/], () =>
    makeTargets({ ...common, data: { source: data.source }, out: at('not'), gate: () => true }),
  );
});

test('a class map may be absent for one teacher of several', async () => {
  writeFileSync(at('map.txt'), '0\t3\n1\t1\n');
  const out = at('mapped');
  const options = { ...common, data: { source: data.source }, teachers: [at('teacher.onnx'), at('teacher.onnx')] };
  await makeTargets({ ...options, out, classMap: [at('map.txt'), undefined] });
  const targets = openTargets(out);
  assert.deepEqual(
    targets.manifest.teachers.map(({ class_map }) => class_map),
    [[3, 1], null],
  );
  targets.close();
});

test('every part of the work stops at the signal', async () => {
  const signal = AbortSignal.abort(new Error('stop'));
  await assert.rejects(makeTargets({ ...common, out: at('stopped') }, { signal }), /stop/);
});

test('what a teacher gives is decided before a class map takes some of its classes', async () => {
  writeFileSync(at('some.txt'), '0\t3\n1\t1\n');
  writeFileSync(at('softmax.onnx'), anySizeTeacher(10, 'Softmax'));
  const out = at('some');
  const options = { ...common, data: { source: data.source }, teachers: [at('softmax.onnx'), at('teacher.onnx')] };
  await makeTargets({ ...options, out, classMap: at('some.txt') });
  const targets = openTargets(out);
  assert.deepEqual(
    targets.manifest.teachers.map(({ outputs }) => outputs),
    ['probabilities', 'logits'],
  );
  targets.close();
});
