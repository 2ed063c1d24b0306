import assert from 'node:assert/strict';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { TemperError } from '../../../src/core/index.ts';
import { average, averageEach } from '../../support/average.ts';
import { expectFailure } from '../../support/expect-failure.ts';
import { SNAPSHOTS } from '../../support/fashion.ts';
import {
  decodeModel,
  externalTensors,
  floatsOf,
  type TestTensor,
  weightsModel,
  writeModel,
} from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
let folders = 0;
/** A folder of its own, so that what is left in it can be seen. */
function fresh(): string {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  return folder;
}

const weights = (k: number): TestTensor[] => [
  { name: 'v', dims: [2], values: [k, 2 * k] },
  { name: 'w', dims: [3], values: [k, k + 1, k + 2] },
];

/** Snapshots of an hour ago. */
function snapshots(folder: string, ...values: number[]): string[] {
  return values.map((k, i) => {
    const path = writeModel(join(folder, `epoch_${i}.onnx`), weightsModel(weights(k)));
    utimesSync(path, Date.now() / 1000 - 3600, Date.now() / 1000 - 3600);
    return path;
  });
}

function externalSnapshots(folder: string, ...values: number[]): string[] {
  return values.map((k, i) => {
    const path = join(folder, `epoch_${i}.onnx`);
    const initializers = externalTensors(weights(k), path, () => `epoch_${i}.data`);
    return writeModel(path, { ...weightsModel(weights(k)), initializers });
  });
}

for (const [how, change] of Object.entries({
  'cut off': (path: string) => truncateSync(path, 60),
  appended: (path: string) => appendFileSync(path, 'x'),
  'written over': (path: string) => writeFileSync(path, readFileSync(path)),
  'filled with NaN': (path: string) => writeFileSync(path, readFileSync(path).fill(0xff)),
})) {
  test(`a snapshot that is ${how} while it is read is INPUT_CHANGED, and nothing is written`, async () => {
    const folder = fresh();
    const paths = snapshots(folder, 1, 2);
    const error = await expectFailure('INPUT_CHANGED', [/epoch_1\.onnx/, /[Ww]ait/], () =>
      average(paths, join(folder, 'out.onnx'), { opened: () => change(paths[1]!) }),
    );
    assert.equal(error.exitCode, 3);
    assert.deepEqual(readdirSync(folder).sort(), ['epoch_0.onnx', 'epoch_1.onnx']);
  });
}

test('external data that is written while it is read is INPUT_CHANGED too', async () => {
  const folder = fresh();
  const paths = externalSnapshots(folder, 1, 2);
  const data = join(folder, 'epoch_0.data');
  utimesSync(data, 1e9, 1e9);
  await expectFailure('INPUT_CHANGED', [/epoch_0\.data/], () =>
    average(paths, join(folder, 'out.onnx'), {
      opened: () => writeFileSync(data, readFileSync(data)),
    }),
  );
});

test('a snapshot that is replaced by rename, as trainers save, is read as it was', async () => {
  const folder = fresh();
  const paths = snapshots(folder, 1, 3);
  const other = writeModel(join(folder, 'new'), weightsModel(weights(100)));
  await average(paths, join(folder, 'out.onnx'), { opened: () => renameSync(other, paths[1]!) });
  assert.deepEqual([...floatsOf(join(folder, 'out.onnx'), 'v')], [2, 4]);
});

test('an output that exists is kept without force, and replaced whole with it', async () => {
  const folder = fresh();
  const paths = snapshots(folder, 1, 3);
  const out = join(folder, 'out.onnx');
  writeFileSync(out, 'old');
  await expectFailure('OUTPUT_EXISTS', [/`force`/], () => average(paths, out));
  assert.equal(readFileSync(out, 'utf8'), 'old');
  await average(paths, out, { force: true });
  assert.deepEqual([...floatsOf(out, 'v')], [2, 4]);
  assert.equal(readdirSync(folder).length, 3);
});

test('an output that is a snapshot is refused even with force: by name, through a symlink, as its data file', async () => {
  const folder = fresh();
  const paths = externalSnapshots(folder, 1, 3);
  const link = join(folder, 'link.onnx');
  symlinkSync(basename(paths[0]!), link);
  for (const out of [paths[0]!, link, join(folder, 'epoch_1.data')]) {
    await expectFailure('OUTPUT_IS_INPUT', [/never overwritten/], () => average(paths, out, { force: true }));
  }
});

test('when one of several outputs cannot appear, no temporary file of the others is left', async () => {
  const folder = fresh();
  const paths = snapshots(folder, 1, 2, 3);
  const [a, b] = [join(folder, 'a.onnx'), join(folder, 'b.onnx')];
  // The second output of one name meets the first at publication, after the check that nothing is there.
  await expectFailure('OUTPUT_EXISTS', [], () => averageEach(paths, [a, a, b], { plan: { last: [1, 2, 3] } }));
  assert.deepEqual(readdirSync(folder).sort(), ['a.onnx', 'epoch_0.onnx', 'epoch_1.onnx', 'epoch_2.onnx']);
});

test('an interruption leaves nothing', async () => {
  const folder = fresh();
  const controller = new AbortController();
  controller.abort(new TemperError('INTERRUPTED', 'interrupted'));
  await expectFailure('INTERRUPTED', [], () =>
    average(SNAPSHOTS, join(folder, 'out.onnx'), { signal: controller.signal }),
  );
  assert.deepEqual(readdirSync(folder), []);
});

test('external data is named by its content and appears with the model', async () => {
  const folder = fresh();
  const paths = externalSnapshots(folder, 1, 3);
  const [output = assert.fail()] = await average(paths, join(folder, 'out.onnx'));
  assert.ok(output.data);
  assert.equal(basename(output.data.path), `out.onnx.${output.data.sha256.slice(0, 16)}.data`);
  assert.ok(existsSync(output.data.path));
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith('out') || name.startsWith('.')),
    ['out.onnx', basename(output.data.path)],
  );
});

test('several outputs of one pass equal single runs, byte for byte', async () => {
  const folder = fresh();
  const plans = [
    { decay: [0.5, 0.9], last: [12] },
    { decay: [0.5], last: [12] },
    { decay: [0.9], last: [12] },
  ];
  const [both = [], ...singles] = await Promise.all(
    plans.map((plan, i) =>
      averageEach(
        SNAPSHOTS,
        plan.decay.map((d) => join(folder, `${i}_${d}.onnx`)),
        { plan },
      ),
    ),
  );
  assert.deepEqual(
    both.map(({ sha256 }) => sha256),
    singles.map(([single]) => single?.sha256),
  );
  assert.notEqual(both[0]?.sha256, both[1]?.sha256);
});

test('an average of averages records every step under a key of its own', async () => {
  const folder = fresh();
  const paths = snapshots(folder, 1, 3, 5, 7);
  const halves = [join(folder, 'a.onnx'), join(folder, 'b.onnx')];
  await average(paths.slice(0, 2), halves[0]!);
  await average(paths.slice(2), halves[1]!);
  await average(halves, join(folder, 'whole.onnx'));
  const keys = decodeModel(join(folder, 'whole.onnx')).metadataProps?.map(({ key }) => key);
  assert.deepEqual(keys, ['onnx_temper.1', 'onnx_temper.2']);
  assert.deepEqual([...floatsOf(join(folder, 'whole.onnx'), 'v')], [4, 8]);
});
