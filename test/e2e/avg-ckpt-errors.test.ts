import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CHECKPOINTS, SNAPSHOTS } from '../support/fashion.ts';
import { rewriteWeights, type TestTensor, weightsModel, writeModel } from '../support/model-builder.ts';
import { avgCkptIn } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();
let folders = 0;
function fresh(): string {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  return folder;
}

const counters = (folder: string): string[] =>
  [1, 2].map((k) => {
    const tensors: TestTensor[] = [{ name: 'steps', dims: [], values: [k], type: 'int64' }];
    return writeModel(join(folder, `count_${k}.onnx`), weightsModel(tensors));
  });

interface Failure {
  readonly name: string;
  readonly status: number;
  /** Of the message and the hint. */
  readonly says: RegExp;
  readonly args: (folder: string) => string[];
}

/** One of each family of errors and every slip of a user of timm; all of them say what to do. */
const FAILURES: readonly Failure[] = [
  {
    name: 'no snapshots',
    status: 2,
    says: /no snapshots are named\n.*folder of \.onnx/,
    args: () => ['--out', 'x.onnx'],
  },
  { name: 'no output', status: 2, says: /no output is named\n.*--out FILE/, args: () => [CHECKPOINTS] },
  { name: '--out without a value', status: 2, says: /--out needs a value/, args: () => [CHECKPOINTS, '--out'] },
  { name: '--out with an empty value', status: 2, says: /no output is named/, args: () => [CHECKPOINTS, '--out='] },
  {
    name: '--out before another option',
    status: 2,
    says: /--out needs a value/,
    args: () => [CHECKPOINTS, '--out', '--force'],
  },
  {
    name: '--out is a folder',
    status: 2,
    says: /is a folder.*\n.*--out-dir/,
    args: (f) => [CHECKPOINTS, '--out', f, '--force'],
  },
  {
    name: '--out-dir is a file',
    status: 2,
    says: /is a file, expected a folder/,
    args: () => [CHECKPOINTS, '--out-dir', SNAPSHOTS[0]!],
  },
  {
    name: '--out and --out-dir',
    status: 2,
    says: /exclude each other/,
    args: (f) => [CHECKPOINTS, '--out', 'x', '--out-dir', f],
  },
  {
    name: '--out twice',
    status: 2,
    says: /--out is given 2 times: a, b/,
    args: () => [CHECKPOINTS, '--out', 'a', '--out', 'b'],
  },
  {
    name: 'two averages for one --out',
    status: 2,
    says: /make 2 averages.*\n.*--out-dir/,
    args: () => [CHECKPOINTS, '--last', '3,5', '--out', 'x'],
  },
  { name: 'a misspelled option', status: 2, says: /outt.*\n.*--help/, args: () => [CHECKPOINTS, '--outt', 'x'] },
  {
    name: '--last 0',
    status: 2,
    says: /--last is 0, expected a whole number from 1/,
    args: () => [CHECKPOINTS, '--last', '0', '--out', 'x'],
  },
  {
    name: '--last 2.5',
    status: 2,
    says: /--last is 2\.5, expected a whole number from 1/,
    args: () => [CHECKPOINTS, '--last', '2.5', '--out', 'x'],
  },
  {
    name: '--last abc',
    status: 2,
    says: /--last abc: expected numbers/,
    args: () => [CHECKPOINTS, '--last', 'abc', '--out', 'x'],
  },
  {
    name: '--last without a value',
    status: 2,
    says: /--last needs a value/,
    args: () => [CHECKPOINTS, '--out', 'x', '--last'],
  },
  {
    name: '--decay 1',
    status: 2,
    says: /--decay is 1, expected a number from 0 to below 1/,
    args: () => [CHECKPOINTS, '--decay', '1', '--out', 'x'],
  },
  {
    name: '--start a',
    status: 2,
    says: /--start a: expected/,
    args: () => [CHECKPOINTS, '--start', 'a', '--out', 'x'],
  },
  {
    name: '--method swaa',
    status: 2,
    says: /swaa: expected uniform, .*\n.*--method swa\?/,
    args: () => [CHECKPOINTS, '--method', 'swaa', '--out', 'x'],
  },
  {
    name: '--dtype half',
    status: 2,
    says: /half: expected .*float16/,
    args: () => [CHECKPOINTS, '--dtype', 'half', '--out', 'x'],
  },
  {
    name: '--bn recalibrate',
    status: 2,
    says: /recalibrate: expected average, last/,
    args: () => [CHECKPOINTS, '--bn', 'recalibrate', '--out', 'x'],
  },
  {
    name: 'too few weights',
    status: 2,
    says: /2 weights for 12 snapshots/,
    args: () => [CHECKPOINTS, '--weights', '1,2', '--out', 'x'],
  },
  {
    name: '--best without --metrics',
    status: 2,
    says: /--best needs a table.*\n.*--metrics FILE/,
    args: () => [CHECKPOINTS, '--best', '3', '--out', 'x'],
  },
  { name: 'verify without a file', status: 2, says: /--help/, args: () => ['verify'] },
  { name: 'diagnose without snapshots', status: 2, says: /--help/, args: () => ['diagnose'] },
  {
    name: 'a missing file',
    status: 3,
    says: /nowhere\.onnx: no such file.*\n.*Check the path/,
    args: () => ['nowhere.onnx', '--out', 'x'],
  },
  { name: 'an empty folder', status: 3, says: /no snapshots that fit "\*\.onnx"/, args: (f) => [f, '--out', 'x'] },
  {
    name: 'a pattern that nothing fits',
    status: 3,
    says: /fit "\*\.pth"/,
    args: () => [CHECKPOINTS, '--pattern', '*.pth', '--out', 'x'],
  },
  {
    name: 'fewer than k snapshots',
    status: 3,
    says: /--last 13: there are only 12 snapshots\n.*at most 12/,
    args: () => [CHECKPOINTS, '--last', '13', '--out', 'x'],
  },
  {
    name: 'a range that holds nothing',
    status: 3,
    says: /no snapshots are left of 12\n.*--start/,
    args: () => [CHECKPOINTS, '--start', '99', '--out', 'x'],
  },
  {
    name: 'a missing table',
    status: 3,
    says: /w\.csv: no such file/,
    args: () => [CHECKPOINTS, '--weights', 'w.csv', '--out', 'x'],
  },
  {
    name: 'an output that exists',
    status: 3,
    says: /old\.onnx: the output exists already\n.*--force/,
    args(f) {
      writeFileSync(join(f, 'old.onnx'), 'old');
      return [CHECKPOINTS, '--out', join(f, 'old.onnx')];
    },
  },
  {
    name: 'a file that is no ONNX model',
    status: 4,
    says: /readme\.onnx.*\n.*no ONNX model/,
    args(f) {
      writeFileSync(join(f, 'readme.onnx'), 'hello, world\n');
      return [f, '--out', 'x'];
    },
  },
  {
    name: 'an empty .onnx file',
    status: 4,
    says: /empty\.onnx: is empty; expected an ONNX model/,
    args(f) {
      writeFileSync(join(f, 'empty.onnx'), '');
      return [f, '--out', 'x'];
    },
  },
  {
    name: 'a truncated snapshot',
    status: 4,
    says: /epoch_14\.onnx.*at byte \d+\n.*(export|copy) it again/i,
    args(f) {
      cpSync(SNAPSHOTS[0]!, join(f, 'epoch_14.onnx'));
      truncateSync(join(f, 'epoch_14.onnx'), 100_000);
      return [f, SNAPSHOTS[1]!, '--out', 'x'];
    },
  },
  {
    name: 'a table that is no CSV',
    status: 4,
    says: /m\.csv/,
    args(f) {
      writeFileSync(join(f, 'm.csv'), 'epoch,top1\n1\n');
      return [CHECKPOINTS, '--best', '1', '--metrics', join(f, 'm.csv'), '--metric', 'top1', '--out', 'x'];
    },
  },
  {
    name: 'verify of a file without a record',
    status: 5,
    says: /no record of onnx-temper/,
    args: () => ['verify', SNAPSHOTS[0]!],
  },
  {
    name: 'snapshots of two networks',
    status: 6,
    says: /the graph: .*found .*, expected .*\n.*one network/,
    args: (f) => [
      writeModel(join(f, 'other.onnx'), weightsModel([{ name: 'w', dims: [2], values: [1, 2] }])),
      ...SNAPSHOTS.slice(0, 2),
      '--out',
      'x',
    ],
  },
  {
    name: 'counters that differ',
    status: 6,
    says: /"steps".*\n.*--on-int-mismatch last/,
    args: (f) => [...counters(f), '--out', 'x'],
  },
  {
    name: '--out in a missing folder',
    status: 7,
    says: /cannot write.*\n.*Create the folder first/,
    args: (f) => [CHECKPOINTS, '--out', join(f, 'no', 'x.onnx')],
  },
  {
    name: 'a NaN',
    status: 8,
    says: /epoch_14\.onnx: NaN or Inf in tensor "fc\.bias", element 3 \(byte \d+ of .*\n.*--allow-nonfinite/,
    args(f) {
      rewriteWeights(SNAPSHOTS[0]!, join(f, 'epoch_14.onnx'), (values, name) => {
        if (name === 'fc.bias') values[3] = Number.NaN;
      });
      return [f, SNAPSHOTS[1]!, '--out', join(f, 'out.onnx')];
    },
  },
];

for (const { name, status, says, args } of FAILURES) {
  test(`exit ${status}: ${name}`, () => {
    const folder = fresh();
    const given = args(folder);
    const before = readdirSync(folder).sort();
    const result = avgCkptIn(fresh(), ...given);
    assert.equal(result.status, status, result.stderr);
    assert.equal(result.stdout, '');
    assert.match(result.stderr, says);
    assert.match(result.stderr, /^ {2}hint: \S/m, 'every message says what to do');
    assert.doesNotMatch(result.stderr, /^\s+at .*\.js/m);
    assert.deepEqual(readdirSync(folder).sort(), before, 'nothing is left');
  });
}
