import assert from 'node:assert/strict';
import { copyFileSync, linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { dropDuplicates } from '../../../src/snapshots/index.ts';
import { expectFailure } from '../../support/expect-failure.ts';
import { SNAPSHOTS } from '../../support/fashion.ts';
import {
  externalTensors,
  type TestModel,
  type TestTensor,
  weightsModel,
  writeModel,
} from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
let folders = 0;
function fresh(): string {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  return folder;
}
const names = (folder: string, paths: readonly string[]): string[] =>
  paths.map((path) => path.slice(folder.length + 1));

/** What is kept and dropped of files in a folder, by their names in it. */
function dropped(folder: string, ...files: string[]): { kept: string[]; dropped: string[] } {
  const result = dropDuplicates(files.map((file) => join(folder, file)));
  return {
    kept: names(folder, result.kept),
    dropped: result.dropped.map(({ path, of }) => names(folder, [path, of]).join(' is ')),
  };
}

for (const [kind, make] of Object.entries({ copies: copyFileSync, 'hard links': linkSync, symlinks: symlinkSync })) {
  test(`${kind} named last and best are dropped for the snapshot that has a step, whatever comes first`, () => {
    const folder = fresh();
    copyFileSync(SNAPSHOTS[0]!, join(folder, 'epoch_14.onnx'));
    copyFileSync(SNAPSHOTS[1]!, join(folder, 'epoch_15.onnx'));
    make(join(folder, 'epoch_15.onnx'), join(folder, 'last.onnx'));
    make(join(folder, 'epoch_14.onnx'), join(folder, 'best.onnx'));
    const expected = ['last.onnx is epoch_15.onnx', 'best.onnx is epoch_14.onnx'];
    assert.deepEqual(dropped(folder, 'epoch_14.onnx', 'epoch_15.onnx', 'last.onnx', 'best.onnx'), {
      kept: ['epoch_14.onnx', 'epoch_15.onnx'],
      dropped: expected,
    });
    assert.deepEqual(dropped(folder, 'last.onnx', 'epoch_15.onnx', 'best.onnx', 'epoch_14.onnx'), {
      kept: ['epoch_15.onnx', 'epoch_14.onnx'],
      dropped: expected,
    });
  });
}

test('two aliases of a snapshot that is not there leave one', () => {
  const folder = fresh();
  for (const name of ['last.onnx', 'best.onnx']) copyFileSync(SNAPSHOTS[0]!, join(folder, name));
  assert.deepEqual(dropped(folder, 'last.onnx', 'best.onnx'), {
    kept: ['best.onnx'],
    dropped: ['last.onnx is best.onnx'],
  });
});

test('a path given twice, and spelled twice, counts once', () => {
  const path = SNAPSHOTS[0]!;
  assert.deepEqual(dropDuplicates([path, path]).kept, [path]);
  assert.deepEqual(
    dropDuplicates([path, path.replace('/checkpoints/', '/checkpoints/../checkpoints/')]).kept.length,
    1,
  );
});

test('files that differ in one byte between the sampled blocks are no duplicates', () => {
  const folder = fresh();
  const bytes = readFileSync(SNAPSHOTS[0]!);
  writeFileSync(join(folder, 'epoch_1.onnx'), bytes);
  bytes[50_000]! ^= 1;
  writeFileSync(join(folder, 'epoch_2.onnx'), bytes);
  assert.deepEqual(dropped(folder, 'epoch_1.onnx', 'epoch_2.onnx').dropped, []);
});

/** A snapshot as many exporters write it: each in a folder, under the same names. */
function external(folder: string, epoch: string, value: number): void {
  mkdirSync(join(folder, epoch));
  const path = join(folder, epoch, 'model.onnx');
  const tensors: TestTensor[] = [{ name: 'w', dims: [2], values: [value, 1] }];
  writeModel(path, { ...weightsModel(tensors), initializers: externalTensors(tensors, path, () => 'model.data') });
}

test('equal model files with different external data are different snapshots; with equal data they are one', () => {
  const folder = fresh();
  external(folder, 'epoch_1', 1);
  external(folder, 'epoch_2', 2);
  external(folder, 'epoch_3', 1);
  const files = ['epoch_1/model.onnx', 'epoch_2/model.onnx', 'epoch_3/model.onnx'];
  assert.deepEqual(readFileSync(join(folder, files[0]!)), readFileSync(join(folder, files[1]!)));
  assert.deepEqual(dropped(folder, ...files), {
    kept: files.slice(0, 2),
    dropped: ['epoch_3/model.onnx is epoch_1/model.onnx'],
  });
});

test('the same weights in other bytes count once: another data file, another date, another storage', () => {
  const folder = fresh();
  const tensors: TestTensor[] = [
    { name: 'w', dims: [2], values: [3, 1] },
    { name: 'v', dims: [1], values: [2] },
  ];
  const of = (name: string, change: Partial<TestModel>) =>
    writeModel(join(folder, name), { ...weightsModel(tensors), ...change });
  const data = (name: string) => externalTensors(tensors, join(folder, name), () => `${name}.data`);
  of('epoch_3.onnx', {});
  of('last.onnx', { metadata: { date: '2026-01-02T03:04:05' } });
  of('best.onnx', { initializers: data('best.onnx') });
  of('best_again.onnx', { initializers: data('best_again.onnx') });
  of('typed.onnx', weightsModel(tensors, 'typed'));
  writeModel(join(folder, 'epoch_4.onnx'), weightsModel([tensors[0]!, { ...tensors[1]!, values: [2.5] }]));
  const others = ['last.onnx', 'best.onnx', 'best_again.onnx', 'typed.onnx'];
  const result = dropDuplicates(['epoch_3.onnx', 'epoch_4.onnx', ...others].map((name) => join(folder, name)));
  assert.deepEqual(names(folder, result.kept), ['epoch_3.onnx', 'epoch_4.onnx']);
  assert.deepEqual(
    result.dropped.map(({ path, of: kept, same }) => [...names(folder, [path, kept]), same]),
    others.map((name) => [name, 'epoch_3.onnx', 'weights']),
  );
});

test('equal weights under another graph are no duplicate: the average says what differs', () => {
  const folder = fresh();
  const model = weightsModel([{ name: 'w', dims: [2], values: [3, 1] }]);
  writeModel(join(folder, 'epoch_1.onnx'), model);
  writeModel(join(folder, 'epoch_2.onnx'), {
    ...model,
    nodes: model.nodes.map((one) => ({ ...one, opType: 'Other' })),
  });
  assert.deepEqual(dropped(folder, 'epoch_1.onnx', 'epoch_2.onnx').dropped, []);
});

test('hard links of one model file beside different data are different snapshots', () => {
  const folder = fresh();
  external(folder, 'epoch_1', 1);
  mkdirSync(join(folder, 'epoch_2'));
  linkSync(join(folder, 'epoch_1', 'model.onnx'), join(folder, 'epoch_2', 'model.onnx'));
  writeFileSync(join(folder, 'epoch_2', 'model.data'), Buffer.alloc(64, 1));
  assert.deepEqual(dropped(folder, 'epoch_1/model.onnx', 'epoch_2/model.onnx').dropped, []);
});

test('a missing file is INPUT_NOT_FOUND', async () => {
  await expectFailure('INPUT_NOT_FOUND', [/nowhere/], () =>
    dropDuplicates([SNAPSHOTS[0]!, join(root, 'nowhere.onnx')]),
  );
});

test('equal weights whose tensors a file lists in another order count once; exchanged weights do not', () => {
  const folder = fresh();
  const tensors: TestTensor[] = [
    { name: 'a', dims: [2], values: [1, 2] },
    { name: 'b', dims: [2], values: [3, 4] },
  ];
  const model = weightsModel(tensors);
  writeModel(join(folder, 'epoch_1.onnx'), model);
  writeModel(join(folder, 'last.onnx'), { ...model, initializers: (model.initializers ?? []).toReversed() });
  const exchanged = tensors.map((one, i) => ({ ...one, values: tensors[1 - i]?.values ?? [] }));
  writeModel(join(folder, 'epoch_2.onnx'), weightsModel(exchanged));
  assert.deepEqual(dropped(folder, 'epoch_1.onnx', 'epoch_2.onnx', 'last.onnx'), {
    kept: ['epoch_1.onnx', 'epoch_2.onnx'],
    dropped: ['last.onnx is epoch_1.onnx'],
  });
});
