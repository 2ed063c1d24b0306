/** teacher-logits verify from outside: damage to any byte, and targets that are not what the teacher says. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { openFile, openSafetensors } from '../../src/core/index.ts';
import { checkParts, publishManifest } from '../../src/distill/index.ts';
import { SNAPSHOTS } from '../support/fashion.ts';
import { IMAGES, ON_CPU } from '../support/run-eval.ts';
import {
  fileHashes,
  IMAGES_20,
  type StoreDocument,
  teacherFails,
  teacherJson,
  teacherLogits,
} from '../support/run-teacher.ts';
import { tempFolder } from '../support/temp-folder.ts';

const folder = tempFolder();
const at = (name: string): string => join(folder, name);
const [older, newest] = [SNAPSHOTS[0] as string, SNAPSHOTS.at(-1) as string];
const MODELS = ['--data', IMAGES, '--teachers', `${newest},${older}`];
const RECOMPUTE = [...MODELS, '--samples', '40'];
const PART = 'part-00000-of-00002';

before(() => {
  const views = ['--augment', 'rrc,flip,jitter', '--views', '2', '--top-k', '5'];
  const args = [newest, older, ...IMAGES_20, '--rows', '100:300', ...views, '--rows-per-shard', '200'];
  teacherJson([...args, '--out', at('store')]);
});

function copy(name: string): string {
  cpSync(at('store'), at(name), { recursive: true });
  return at(name);
}

/** verify's document; `status` is its exit code. Options of the runtime belong to recomputing. */
const verify = (store: string, args: readonly string[], status: number): StoreDocument =>
  teacherJson(['verify', store, ...args], status);

test('a whole store passes, by its files and recomputed from images and models', () => {
  assert.deepEqual(verify(at('store'), [], 0).problems, []);
  const { passed, teachers } = verify(at('store'), RECOMPUTE, 0);
  assert.equal(passed, true);
  for (const teacher of teachers) {
    assert.deepEqual([teacher.n_rows, teacher.top1_agreement, teacher.passed], [80, 1, true]);
    assert.ok((teacher.max_relative as number) < 1e-6 && (teacher.max_kl as number) < 1e-5);
  }
  const text = teacherLogits('verify', at('store'), ...RECOMPUTE, ...ON_CPU);
  assert.match(text.stdout, /epoch_25\.onnx +1\.0000 .* same\n/);
  assert.match(text.stdout, /400 rows in 10 files, .*: whole\n/);
});

test('one flipped bit of each kind of file is found, named, and answered by exit code 1', () => {
  const store = copy('flipped');
  for (const file of [
    'run.json',
    'samples.csv',
    `parts/${PART}.json`,
    `views/${PART}.safetensors`,
    `teachers/1/${PART}.safetensors`,
  ]) {
    const bytes = readFileSync(join(store, file));
    const flipped = Buffer.from(bytes);
    const middle = bytes.length >> 1;
    flipped[middle] = (flipped[middle] as number) ^ 1;
    writeFileSync(join(store, file), flipped);
    const { passed, problems } = verify(store, [], 1);
    assert.equal(passed, false);
    assert.ok(
      problems.some(({ message }) => String(message).includes(file)),
      JSON.stringify(problems),
    );
    writeFileSync(join(store, file), bytes);
  }
  assert.equal(verify(store, [], 0).passed, true);
});

/** Changes some bytes of a column of part 0, and makes sidecar and manifest agree with them again. */
async function forge(store: string, file: string, column: string, change: (bytes: Buffer) => void): Promise<void> {
  const path = join(store, file);
  const source = openFile(path);
  const { offset = 0, bytes: length = 0 } = openSafetensors(source).tensors.get(column) ?? {};
  source.close();
  const bytes = readFileSync(path);
  change(bytes.subarray(offset, offset + length));
  writeFileSync(path, bytes);
  const sidecarPath = join(store, 'parts', `${PART}.json`);
  const sidecar = JSON.parse(readFileSync(sidecarPath, 'utf8')) as { files: Record<string, { sha256: string }> };
  (sidecar.files[file] as { sha256: string }).sha256 = createHash('sha256').update(bytes).digest('hex');
  writeFileSync(sidecarPath, `${JSON.stringify(sidecar, null, 2)}\n`);
  rmSync(join(store, 'manifest.json'));
  publishManifest(store, await checkParts(store));
}

const FORGERIES: Readonly<Record<string, [string, string, (bytes: Buffer) => void]>> = {
  // 5 % of each row's highest logit: no row's structure changes.
  'highest logits': [
    `teachers/0/${PART}.safetensors`,
    'max',
    (b) => {
      for (let i = 0; i < b.length; i += 4) b.writeFloatLE(b.readFloatLE(i) * 1.05, i);
    },
  ],
  'statistics of the inputs': [`teachers/1/${PART}.safetensors`, 'input_mean', (b) => b.writeFloatLE(0.5, 0)],
};

for (const [name, [file, column, change]] of Object.entries(FORGERIES)) {
  test(`${name} that are not the teacher's are found by recomputing, though every hash agrees`, async () => {
    const store = copy(`forged ${column}`);
    await forge(store, file, column, change);
    assert.equal(verify(store, [], 0).passed, true);
    const { passed, teachers } = verify(store, [...MODELS, '--samples', '200'], 1);
    assert.equal(passed, false);
    const [forged, other] = column === 'max' ? teachers : teachers.toReversed();
    assert.deepEqual([forged?.passed, other?.passed], [false, true]);
  });
}

test('values that break the encoding are found without recomputing', async () => {
  const store = copy('encoding');
  await forge(store, `teachers/0/${PART}.safetensors`, 'values', (bytes) => bytes.writeUInt16LE(0x7e00, 100));
  const { problems } = verify(store, [], 1);
  assert.match(String(problems[0]?.message), /teacher 0: values of row 10 is not finite/);
});

test('other models, other data and half of the options are refused', () => {
  const store = ['verify', at('store')];
  const of = (teachers: string): string[] => [...store, '--data', IMAGES, '--teachers', teachers];
  teacherFails(of(`${older},${newest}`), 6, 'MISMATCH_VALUE', /is not the teacher of the store, epoch_25\.onnx/);
  teacherFails(of(newest), 2, 'USAGE', /1 teachers.*of 2.*epoch_25\.onnx, epoch_14\.onnx/);
  teacherFails([...store, '--data', IMAGES], 2, 'USAGE', /needs --data and --teachers/);
  const photos = join('fixtures', 'images');
  teacherFails(
    [...store, '--data', photos, '--teachers', `${newest},${older}`, '--format', 'flat'],
    6,
    'MISMATCH_VALUE',
    /has no sample "0000/,
  );
  teacherFails(['verify', at('nowhere')], 3, 'INPUT_NOT_FOUND', /nowhere/);
});

test('another seed looks at other samples; the store is not changed by looking', () => {
  const before = fileHashes(at('store'));
  assert.equal(verify(at('store'), [...RECOMPUTE, '--seed', '5'], 0).passed, true);
  assert.deepEqual(fileHashes(at('store')), before);
});
