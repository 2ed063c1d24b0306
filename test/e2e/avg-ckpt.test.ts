import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { CHECKPOINTS, SNAPSHOTS } from '../support/fixtures.ts';
import { floatsOf, rewriteWeights, type TestTensor, weightsModel, writeModel } from '../support/model-builder.ts';
import { AVG_CKPT, avgCkpt, avgCkptIn } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();
let folders = 0;
function fresh(): string {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  return folder;
}
const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

/** Least snapshots, for what does not depend on the network. */
function small(folder: string, ...values: number[]): string[] {
  return values.map((k) =>
    writeModel(join(folder, `epoch_${k}.onnx`), weightsModel([{ name: 'w', dims: [2], values: [k, -k] }])),
  );
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
  { name: '--out without a value', status: 2, says: /following: out/, args: () => [CHECKPOINTS, '--out'] },
  { name: '--out with an empty value', status: 2, says: /no output is named/, args: () => [CHECKPOINTS, '--out='] },
  {
    name: '--out before another option',
    status: 2,
    says: /following: out/,
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
    says: /following: last/,
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
    name: '--method swa',
    status: 2,
    says: /"swa".*"uniform"/,
    args: () => [CHECKPOINTS, '--method', 'swa', '--out', 'x'],
  },
  {
    name: '--dtype half',
    status: 2,
    says: /"half".*"float16"/,
    args: () => [CHECKPOINTS, '--dtype', 'half', '--out', 'x'],
  },
  {
    name: '--bn recalibrate',
    status: 2,
    says: /"recalibrate".*"average", "last"/,
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
    says: /empty\.onnx.*\n.*no ONNX model/,
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
    args: (f) => [...small(f, 30), ...SNAPSHOTS.slice(0, 2), '--out', 'x'],
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

test('--json: a failure is one document on stdout with code, message, hint and details', () => {
  const { status, stdout } = avgCkpt(CHECKPOINTS, '--last', '13', '--out', 'x', '--json');
  assert.equal(status, 3);
  const { error } = JSON.parse(stdout) as { error: Record<string, unknown> };
  assert.deepEqual(Object.keys(error), ['code', 'message', 'hint', 'details']);
  assert.equal(error.code, 'INPUT_TOO_FEW');
  assert.deepEqual(error.details, { found: 12, expected: 13 });
});

test('--json: a success says path, bytes, hash and the whole record, as the file holds it', () => {
  const folder = fresh();
  const out = join(folder, 'out.onnx');
  const { status, stdout } = avgCkpt(CHECKPOINTS, '--decay', '0.9', '--out', out, '--json');
  assert.equal(status, 0);
  const { outputs } = JSON.parse(stdout) as { outputs: Record<string, unknown>[] };
  const [output = assert.fail()] = outputs;
  assert.equal(output.path, out);
  assert.equal(output.sha256, sha256(out));
  assert.equal(output.bytes, readFileSync(out).length);
  assert.equal(output.average, 'ema_0.9');
  const inputs = output.inputs as { file: string; sha256: string }[];
  assert.deepEqual(
    inputs.map(({ file, sha256: hash }) => [file, hash]),
    SNAPSHOTS.map((path) => [basename(path), sha256(path)]),
  );
});

test('--json: verify and diagnose', () => {
  const folder = fresh();
  const paths = small(folder, 1, 2, 3);
  const out = join(folder, 'out.onnx');
  avgCkpt(...paths, '--out', out);
  const verified = avgCkpt('verify', out, '--json');
  assert.deepEqual([verified.status, JSON.parse(verified.stdout)], [0, { file: out, ok: true, findings: [] }]);
  const { snapshots, cosine } = JSON.parse(avgCkpt('diagnose', ...paths, '--json').stdout) as {
    snapshots: { path: string }[];
    cosine: number[][];
  };
  assert.deepEqual(
    snapshots.map(({ path }) => path),
    paths,
  );
  assert.equal(cosine.length, 3);
});

test('--dry-run prints files, steps, weights and effective models, and writes nothing', () => {
  const folder = fresh();
  const { status, stdout } = avgCkptIn(folder, CHECKPOINTS, '--last', '2,4', '--decay', '0.5', '--dry-run');
  assert.equal(status, 0);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s{2,}/));
  assert.deepEqual(lines[0], ['snapshot', 'step', 'ema_0.5_last2', 'ema_0.5_last4']);
  assert.deepEqual(lines[1], [SNAPSHOTS[8], '22', '0.000000', '0.066667']);
  assert.deepEqual(lines[4], [SNAPSHOTS[11], '25', '0.666667', '0.533333']);
  assert.deepEqual(lines[5], ['effective number of models', '1.800', '2.647']);
  assert.deepEqual(readdirSync(folder), []);
  const document = JSON.parse(avgCkpt(CHECKPOINTS, '--last', '2', '--dry-run', '--json').stdout) as {
    averages: { average: string; inputs: { step: number; weight: number }[] }[];
  };
  assert.deepEqual(
    document.averages[0]?.inputs.map(({ step, weight }) => [step, weight]),
    [
      [24, 0.5],
      [25, 0.5],
    ],
  );
});

test('--dry-run refuses what the run would refuse in the graphs', () => {
  const folder = fresh();
  assert.equal(avgCkpt(...counters(folder), '--dry-run').status, 6);
});

test('several outputs in one pass equal single runs; --out-dir is made', () => {
  const folder = fresh();
  const all = join(folder, 'deep', 'averages');
  const { status, stderr } = avgCkpt(CHECKPOINTS, '--decay', '0.8,0.9', '--last', '5,12', '--out-dir', all);
  assert.equal(status, 0, stderr);
  const names = ['ema_0.8_last12', 'ema_0.8_last5', 'ema_0.9_last12', 'ema_0.9_last5'];
  assert.deepEqual(
    readdirSync(all).sort(),
    names.map((name) => `${name}.onnx`),
  );
  for (const name of names) {
    const [, decay = '', last = ''] = /ema_(.*)_last(.*)/.exec(name) ?? [];
    const single = join(folder, `${name}.onnx`);
    avgCkpt(CHECKPOINTS, '--decay', decay, '--last', last, '--out', single);
    assert.equal(sha256(single), sha256(join(all, `${name}.onnx`)), name);
  }
});

test('the same snapshots give the same bytes: again, in another folder, in another order of arguments', () => {
  const [folder, elsewhere] = [fresh(), fresh()];
  cpSync(CHECKPOINTS, join(elsewhere, 'copy'), { recursive: true });
  const runs: [string, ...string[]][] = [
    ['first.onnx', CHECKPOINTS],
    ['again.onnx', CHECKPOINTS],
    ['copy.onnx', join(elsewhere, 'copy')],
    ['order.onnx', ...SNAPSHOTS.toReversed()],
    ['glob.onnx', join(CHECKPOINTS, 'epoch_??.onnx')],
  ];
  const hashes = runs.map(([name, ...inputs]) => {
    const { status, stderr } = avgCkptIn(elsewhere, ...inputs, '--out', join(folder, name));
    assert.equal(status, 0, stderr);
    return sha256(join(folder, name));
  });
  assert.equal(new Set(hashes).size, 1);
});

test('names with 9, 10 and 100 are in the order of their numbers', () => {
  const folder = fresh();
  small(folder, 100, 9, 10, 1);
  const steps = (...args: string[]): number[] =>
    (
      JSON.parse(avgCkpt(folder, ...args, '--dry-run', '--json').stdout) as {
        averages: { inputs: { step: number }[] }[];
      }
    ).averages[0]!.inputs.map(({ step }) => step);
  assert.deepEqual(steps(), [1, 9, 10, 100]);
  assert.deepEqual(steps('--last', '2'), [10, 100]);
  assert.deepEqual(steps('--start', '9', '--end', '10'), [9, 10]);
});

test('--best takes the later of equal metrics, and --mode min the lowest', () => {
  const folder = fresh();
  small(folder, 1, 2, 3);
  writeFileSync(join(folder, 'summary.csv'), 'epoch,eval_loss,eval_top1\n1,0.5,70\n2,0.4,71\n3,0.6,71\n');
  const best = (...args: string[]): number => {
    const out = join(folder, 'best.out');
    avgCkpt(folder, '--best', '1', '--metrics', join(folder, 'summary.csv'), ...args, '--out', out, '--force');
    return floatsOf(out, 'w')[0]!;
  };
  assert.equal(best('--metric', 'eval_top1'), 3);
  assert.equal(best('--metric', 'eval_loss', '--mode', 'min'), 2);
});

test('last and best aliases count once, with a note; --allow-duplicates counts them', () => {
  const folder = fresh();
  const paths = small(folder, 1, 3);
  cpSync(paths[1]!, join(folder, 'last.onnx'));
  linkSync(paths[1]!, join(folder, 'model_best.onnx'));
  symlinkSync('epoch_1.onnx', join(folder, 'first.onnx'));
  const out = join(fresh(), 'out.onnx');
  const { stderr } = avgCkpt(folder, '--out', out);
  assert.equal(floatsOf(out, 'w')[0], 2);
  for (const name of ['last', 'model_best', 'first'])
    assert.match(stderr, new RegExp(`note: .*${name}\\.onnx: the same bytes as .*epoch_.\\.onnx; counted once`));
  avgCkpt(folder, '--out', out, '--allow-duplicates', '--force');
  assert.equal(floatsOf(out, 'w')[0], Math.fround((1 + 1 + 3 * 3) / 5));
});

test("an average in the run's own folder is no snapshot of it", () => {
  const folder = fresh();
  small(folder, 1, 3);
  avgCkpt(folder, '--out', join(folder, 'swa.onnx'));
  const out = join(folder, 'ema.onnx');
  const { stderr } = avgCkpt(folder, '--decay', '0.5', '--out', out);
  assert.match(stderr, /swa\.onnx: is an average that avg-ckpt wrote; left out/);
  assert.equal(floatsOf(out, 'w')[0], Math.fround(7 / 3));
  const named = avgCkpt(join(folder, 'swa.onnx'), join(folder, 'epoch_3.onnx'), '--out', join(folder, 'named.onnx'));
  assert.equal(named.status, 0);
  assert.match(named.stderr, /is itself an average/);
});

test('one snapshot gives itself', () => {
  const out = join(fresh(), 'out.onnx');
  const { status, stdout } = avgCkpt(SNAPSHOTS[0]!, '--out', out);
  assert.equal(status, 0);
  assert.match(stdout, /uniform of 1/);
  const bytes = readFileSync(SNAPSHOTS[0]!);
  assert.deepEqual(readFileSync(out).subarray(0, bytes.length), bytes);
});

test('an output that is a snapshot is refused with --force, through a symlink and a symlinked folder too', () => {
  const folder = fresh();
  const paths = small(folder, 1, 3);
  const hashes = paths.map(sha256);
  symlinkSync('epoch_1.onnx', join(folder, 'link.onnx'));
  symlinkSync(folder, join(root, 'linked'));
  for (const out of [paths[1]!, join(folder, 'link.onnx'), join(root, 'linked', 'epoch_3.onnx')]) {
    const { status, stderr } = avgCkpt(...paths, '--out', out, '--force');
    assert.equal(status, 3, out);
    assert.match(stderr, /is one of the snapshots/);
  }
  assert.deepEqual(paths.map(sha256), hashes);
});

test('progress and notes go to stderr; --quiet leaves nothing there', () => {
  const folder = fresh();
  small(folder, 1, 3);
  cpSync(join(folder, 'epoch_3.onnx'), join(folder, 'last.onnx'));
  const { stderr } = avgCkpt(folder, '--out', join(folder, 'out.bin'), '--quiet');
  assert.equal(stderr, '');
});

/** Says on stderr, at exit, whether the native library was loaded. */
const PROBE = `data:text/javascript,${encodeURIComponent(
  "process.on('exit', () => { if (process.report.getReport().sharedObjects.some((name) => /onnxruntime/.test(name))) console.error('LOADED'); });",
)}`;

for (const args of [[], ['verify'], ['diagnose']]) {
  test(`avg-ckpt ${[...args, '--help'].join(' ')} explains itself and does not load onnxruntime`, () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', PROBE, AVG_CKPT, ...args, '--help'], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /Output:[\s\S]*--json/);
    assert.doesNotMatch(stderr, /LOADED/);
  });
}

test('the probe for onnxruntime sees it where it is loaded', () => {
  const code = "await import('onnxruntime-node')";
  const { stderr } = spawnSync(process.execPath, ['--import', PROBE, '--input-type=module', '-e', code], {
    encoding: 'utf8',
  });
  assert.match(stderr, /LOADED/);
});

test('avg-ckpt completion prints a shell script', () => {
  const { status, stdout } = avgCkpt('completion');
  assert.equal(status, 0);
  assert.match(stdout, /###-begin-avg-ckpt-completions-###/);
});
