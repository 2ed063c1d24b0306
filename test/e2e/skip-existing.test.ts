/** `--skip-existing`, of every command that writes: what is there is left alone if it was made from the same, else exit code 3. */
import assert from 'node:assert/strict';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { type CliResult, ONNX_TEMPER, runProgram } from '../support/run-cli.ts';
import { ON_CPU } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const SIZED = ['--preset', 'none', '--mean', '0.286', '--std', '0.353', '--size', '20'];
const idx = (name: string): string => join(FASHION, `${name}-ubyte.gz`);
const images = (option: string, rows: string): string[] => {
  const prefix = option === 'data' ? '--' : `--${option}-`;
  return [`--${option}`, idx('test-images-idx3'), `${prefix}labels`, idx('test-labels-idx1'), `${prefix}rows`, rows];
};
const VAL = images('val', '0:120');
const DATA = images('data', '0:60');
const TRAIN = images('train', '200:260');

interface Case {
  /** Words of the command, in a folder that holds a.onnx and b.onnx. */
  readonly words: readonly string[];
  /** Files that it must write, of which the first is cut. */
  readonly outputs: readonly string[];
  /** Words that make something else of the same, and the field that is named. */
  readonly change: readonly string[];
  readonly field: string;
  /** The input that a.onnx is. */
  readonly input: string;
  /** What must be there before. */
  readonly before?: readonly (readonly string[])[];
  readonly code?: number;
}

const run = [...SIZED, ...ON_CPU];
const STORE = ['teacher-logits', 'a.onnx', ...DATA, ...run, '--out', 'store'];
const CASES: Readonly<Record<string, Case>> = {
  'avg-ckpt': {
    words: ['avg-ckpt', 'a.onnx', 'b.onnx', '--decay', '0.9', '--out', 'x.onnx'],
    ...{ outputs: ['x.onnx'], change: ['--decay', '0.8'], field: 'options.decay', input: 'inputs.inputs' },
  },
  'avg-ckpt --out-dir': {
    words: ['avg-ckpt', 'a.onnx', 'b.onnx', '--decay', '0.5,0.9', '--out-dir', 'averages'],
    ...{ outputs: ['averages/ema_0.5.onnx', 'averages/ema_0.9.onnx'], change: ['--bn', 'last'], field: 'options.bn' },
    input: 'inputs.inputs',
  },
  'avg-ckpt search': {
    words: [
      'avg-ckpt',
      'search',
      'a.onnx',
      'b.onnx',
      ...VAL,
      ...run,
      '--include',
      'last',
      '--out',
      'x.onnx',
      '--csv',
      'x.csv',
    ],
    ...{ outputs: ['x.onnx', 'x.csv'], change: ['--seed', '3'], field: 'options.seed', input: 'inputs.inputs' },
  },
  'avg-ckpt swag': {
    words: ['avg-ckpt', 'swag', 'a.onnx', 'b.onnx', '--samples', '2', '--out-dir', 'samples'],
    ...{ outputs: ['samples/swag_01.onnx', 'samples/swag_02.onnx'], change: ['--seed', '3'], field: 'options.seed' },
    input: 'inputs.inputs',
  },
  'bn-recal': {
    words: ['bn-recal', 'a.onnx', ...DATA, ...run, '--out', 'x.onnx', '--csv', 'x.csv', '--report', 'x.html'],
    ...{
      outputs: ['x.onnx', 'x.csv', 'x.html'],
      change: ['--prior', '5'],
      field: 'options.prior',
      input: 'inputs.model.sha256',
    },
  },
  'bn-recal, a worker': {
    words: [
      'bn-recal',
      'a.onnx',
      ...DATA,
      ...run,
      '--batch',
      '16',
      '--shard',
      '0/2',
      '--moments-out',
      'm/0.safetensors',
    ],
    ...{
      outputs: ['m/0.safetensors'],
      change: ['--shard', '1/2'],
      field: 'options.shard.index',
      input: 'inputs.model.sha256',
    },
  },
  'bn-recal merge': {
    before: [['bn-recal', 'a.onnx', ...DATA, ...run, '--moments-out', 'm.safetensors']],
    words: ['bn-recal', 'merge', 'm.safetensors', '--model', 'a.onnx', ...ON_CPU, '--out', 'x.onnx'],
    ...{
      outputs: ['x.onnx'],
      change: ['--estimator', 'torch'],
      field: 'options.estimator',
      input: 'inputs.model.sha256',
    },
  },
  calibrate: {
    words: ['calibrate', 'a.onnx', ...VAL, ...run, '--allow-worse', '--out', 'x.onnx', '--report', 'x.md'],
    ...{
      outputs: ['x.onnx', 'x.md'],
      change: ['--method', 'vector'],
      field: 'options.method',
      input: 'inputs.model.sha256',
    },
  },
  'fix-res': {
    words: [
      'fix-res',
      'a.onnx',
      ...TRAIN,
      ...VAL,
      ...run,
      '--train-size',
      '20',
      '--mode',
      'stats',
      '--allow-worse',
      '--out',
      'x.onnx',
    ],
    ...{ outputs: ['x.onnx'], change: ['--seed', '3'], field: 'options.seed', input: 'inputs.model.sha256' },
  },
  'res-sweep': {
    words: [
      'res-sweep',
      'a.onnx',
      ...DATA,
      ...SIZED.slice(0, -2),
      ...ON_CPU,
      '--train-size',
      '20',
      '--sizes',
      '20,24',
      '--csv',
      'x.csv',
    ],
    ...{ outputs: ['x.csv'], change: ['--sizes', '20,28'], field: 'options.sizes', input: 'inputs.models.files' },
  },
  'eval-ckpt': {
    words: [
      'eval-ckpt',
      'a.onnx',
      ...DATA,
      ...run,
      '--csv',
      'x.csv',
      '--per-image',
      'p.csv',
      '--report',
      'x.html',
      '--confusion',
      'c.csv',
    ],
    ...{ outputs: ['x.csv', 'p.csv', 'x.html', 'c.csv'], change: ['--batch', '7'], field: 'options.batch' },
    input: 'inputs.models.files',
  },
  'eval-ckpt, a gate that is missed': {
    words: ['eval-ckpt', 'a.onnx', ...DATA, ...run, '--per-image', 'p.csv', '--gate', 'top1>=0.999'],
    ...{
      outputs: ['p.csv'],
      change: ['--gate', 'top1>=0.1'],
      field: 'options.gate',
      input: 'inputs.models.files',
      code: 1,
    },
  },
  'eval-ckpt --find-transform': {
    words: ['eval-ckpt', 'a.onnx', ...DATA, ...run, '--find-transform', '--csv', 'x.csv'],
    ...{ outputs: ['x.csv'], change: ['--seed', '3'], field: 'options.seed', input: 'inputs.models.files' },
  },
  'teacher-logits': {
    words: STORE,
    ...{ outputs: ['store/manifest.json', 'store/run.json'], change: ['--top-k', '3'], field: 'options.top-k' },
    input: 'inputs.teachers',
  },
  'teacher-logits score': {
    before: [STORE],
    words: [
      'teacher-logits',
      'score',
      'store',
      '--student',
      'a.onnx',
      ...DATA,
      ...run,
      '--csv',
      'x.csv',
      '--per-row',
      'r.csv',
    ],
    ...{
      outputs: ['x.csv', 'r.csv'],
      change: ['--worst', '3'],
      field: 'options.worst',
      input: 'inputs.student.sha256',
    },
  },
  'teacher-logits export': {
    before: [STORE],
    words: ['teacher-logits', 'export', 'store', '--to', 'npy', '--out', 'arrays'],
    ...{ outputs: ['arrays/export.json'], change: ['--to', 'parquet'], field: 'options.to', input: 'inputs.store' },
  },
  finish: {
    words: [
      ...[
        'finish',
        'a.onnx',
        'b.onnx',
        '--order',
        'list',
        '--include',
        'last',
        '--no-sizes',
        '--no-calibrate',
        '--no-bn',
        ...VAL,
      ],
      ...[...run, '--out-dir', 'finished'],
    ],
    ...{ outputs: ['finished/model.onnx', 'finished/recipe.yaml', 'finished/report.html'], change: ['--seed', '3'] },
    ...{ field: 'options.seed', input: 'inputs.inputs', code: 1 },
  },
};

/** Words with another value of an option. */
function replaced(words: readonly string[], [option = '', ...value]: readonly string[]): string[] {
  const at = words.indexOf(option);
  if (at < 0) return [...words, option, ...value];
  return [...words.slice(0, at + 1), ...value, ...words.slice(at + 1 + value.length)];
}

function folderOf({ before = [] }: Partial<Case> = {}): string {
  const folder = tempFolder();
  copyFileSync(SNAPSHOTS.at(-1) as string, join(folder, 'a.onnx'));
  copyFileSync(SNAPSHOTS.at(-2) as string, join(folder, 'b.onnx'));
  for (const words of before) assert.equal(runProgram(ONNX_TEMPER, [...words, '--quiet'], folder).status, 0);
  return folder;
}

/** All files but the receipts, with their bytes and times. */
function state(folder: string): unknown {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name))
    .toSorted()
    .map((path) => [path, readFileSync(path, 'base64'), statSync(path).mtimeMs]);
}

interface Failure {
  readonly error: { readonly code: string; readonly message: string; readonly details: { readonly field?: string } };
}

function refused({ status, stdout, stderr }: CliResult): Failure['error'] {
  assert.equal(status, 3, stderr);
  const { error } = JSON.parse(stdout) as Failure;
  assert.equal(error.code, 'OUTPUT_EXISTS', error.message);
  return error;
}

for (const [name, one] of Object.entries(CASES)) {
  test(`${name}: made twice it is the same; another option, another input or a damaged output is refused`, () => {
    const folder = folderOf(one);
    const skip = (words = one.words): CliResult =>
      runProgram(ONNX_TEMPER, [...words, '--skip-existing', '--json'], folder);
    const first = skip();
    assert.equal(first.status, one.code ?? 0, first.stderr);
    for (const output of one.outputs) assert.ok(existsSync(join(folder, output)), output);
    const made = state(folder);
    const again = skip();
    assert.equal(again.status, one.code ?? 0, again.stderr);
    assert.match(again.stderr, /already there, made from the same/);
    assert.ok((JSON.parse(again.stdout) as { skipped: readonly string[] }).skipped.length > 0);
    assert.deepEqual(state(folder), made);

    const other = refused(skip(replaced(one.words, one.change)));
    assert.equal(other.details.field, one.field, other.message);
    assert.deepEqual(state(folder), made);

    const changed = one.input === 'inputs.store' ? 'store/run.json' : 'a.onnx';
    const bytes = readFileSync(join(folder, changed));
    if (changed === 'a.onnx') copyFileSync(SNAPSHOTS[0] as string, join(folder, changed));
    else writeFileSync(join(folder, changed), `${bytes.toString('utf8')} `);
    assert.ok(refused(skip()).details.field?.startsWith(one.input));
    writeFileSync(join(folder, changed), bytes);

    const [cut] = one.outputs as [string];
    truncateSync(join(folder, cut), statSync(join(folder, cut)).size - 1);
    assert.match(refused(skip()).message, /was changed after it was written/);
    assert.equal(runProgram(ONNX_TEMPER, [...one.words, '--skip-existing', '--force'], folder).status, 2);
  });
}

const AVERAGE = ['avg-ckpt', 'a.onnx', 'b.onnx', '--out', 'x.onnx'];
const EVALUATE = ['eval-ckpt', 'a.onnx', ...DATA, ...run, '--csv', 'x.csv', '--per-image', 'p.csv'];

test('finish: what a recipe names is an input', () => {
  const folder = folderOf();
  const { words } = CASES.finish as Case;
  assert.equal(runProgram(ONNX_TEMPER, [...words, '--quiet'], folder).status, 1);
  const again = [
    'finish',
    '--recipe',
    'finished/recipe.yaml',
    '--out-dir',
    'again',
    ...ON_CPU,
    '--skip-existing',
    '--json',
  ];
  assert.equal(runProgram(ONNX_TEMPER, again, folder).status, 1);
  assert.match(runProgram(ONNX_TEMPER, again, folder).stderr, /already there/);
  copyFileSync(SNAPSHOTS[0] as string, join(folder, 'a.onnx'));
  assert.match(refused(runProgram(ONNX_TEMPER, again, folder)).message, /inputs is not what it was/);
  const first = runProgram(ONNX_TEMPER, [...words, '--skip-existing', '--json'], folder);
  assert.match(refused(first).message, /written without --skip-existing/);
});

test('teacher-logits: a worker goes on with a store, and merge leaves a complete one as it is, or says that it is damaged', () => {
  const folder = folderOf();
  const make = [...STORE, '--rows-per-shard', '30', '--skip-existing', '--quiet'];
  for (const shard of ['0/2', '1/2', '1/2']) {
    const { status, stderr } = runProgram(ONNX_TEMPER, [...make, '--shard', shard], folder);
    assert.equal(status, 0, stderr);
  }
  const merge = ['teacher-logits', 'merge', 'store', '--skip-existing', '--json'];
  assert.equal(runProgram(ONNX_TEMPER, merge, folder).status, 0);
  const made = state(folder);
  const { status, stderr } = runProgram(ONNX_TEMPER, merge, folder);
  assert.equal(status, 0, stderr);
  assert.match(stderr, /already there/);
  assert.deepEqual(state(folder), made);
  const part = readdirSync(join(folder, 'store', 'teachers'), { recursive: true, withFileTypes: true }).find((one) =>
    one.isFile(),
  );
  assert.ok(part);
  truncateSync(join(part.parentPath, part.name), 100);
  refused(runProgram(ONNX_TEMPER, merge, folder));
});

test('an output that was made without it is made again and compared: the same stays as it is, another is refused', () => {
  for (const [words, output, change] of [
    [AVERAGE, 'x.onnx', ['--decay', '0.5']],
    [EVALUATE, 'x.csv', ['--rows', '0:50']],
    // The page of a run with the option is that of one without it.
    [(CASES['bn-recal'] as Case).words, 'x.onnx', ['--prior', '5']],
  ] as const) {
    const folder = folderOf();
    assert.equal(runProgram(ONNX_TEMPER, words, folder).status, 0);
    const before = state(folder);
    refused(runProgram(ONNX_TEMPER, [...replaced(words, change), '--skip-existing', '--json'], folder));
    assert.deepEqual(state(folder), before);
    const { status, stderr } = runProgram(ONNX_TEMPER, [...words, '--skip-existing'], folder);
    assert.equal(status, 0, stderr);
    assert.match(stderr, /made again and compared/);
    const receipt = join(folder, `${output}.made.json`);
    rmSync(receipt);
    assert.deepEqual(state(folder), before);
  }
});

test('of several outputs the missing ones are made, and those that are there must be the same', () => {
  const folder = folderOf();
  const skip = (...more: readonly string[]) =>
    runProgram(ONNX_TEMPER, [...EVALUATE, ...more, '--skip-existing', '--json'], folder);
  assert.equal(skip().status, 0);
  const csv = readFileSync(join(folder, 'x.csv'));
  const predictions = readFileSync(join(folder, 'p.csv'));
  rmSync(join(folder, 'p.csv'));
  const { stdout, status, stderr } = skip('--per-class', 'c.csv');
  assert.equal(status, 0, stderr);
  assert.deepEqual(JSON.parse(stdout), { skipped: ['x.csv'], made: ['p.csv', 'c.csv'] });
  assert.deepEqual(readFileSync(join(folder, 'x.csv')), csv);
  assert.deepEqual(readFileSync(join(folder, 'p.csv')), predictions);
  assert.equal(skip('--per-class', 'c.csv').status, 0);
  // Killed between two outputs: nothing says what the first was made from.
  for (const name of ['p.csv', 'c.csv', 'x.csv.made.json']) rmSync(join(folder, name));
  assert.equal(skip().status, 0);
  assert.deepEqual(readFileSync(join(folder, 'x.csv')), csv);
  assert.deepEqual(readFileSync(join(folder, 'p.csv')), predictions);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.endsWith('.tmp')),
    [],
  );
});

test('a file under the name of a receipt that is none is never replaced', () => {
  const folder = folderOf();
  writeFileSync(join(folder, 'x.onnx.made.json'), '{}');
  refused(runProgram(ONNX_TEMPER, [...AVERAGE, '--skip-existing', '--json'], folder));
  assert.equal(readFileSync(join(folder, 'x.onnx.made.json'), 'utf8'), '{}');
});

test('pictures of a folder, and what a table names, are inputs by their bytes; what lies there of the command itself is none', () => {
  const folder = folderOf();
  const pictures = join(folder, 'pictures');
  mkdirSync(join(pictures, 'k'), { recursive: true });
  for (const name of ['png-1bit.png', 'jpeg-420.jpg'])
    copyFileSync(join(FASHION, '..', 'images', name), join(pictures, 'k', name));
  writeFileSync(join(folder, 'list.csv'), 'path,label\npictures/k/png-1bit.png,0\npictures/k/jpeg-420.jpg,1\n');
  for (const data of ['pictures', 'list.csv']) {
    const out = data === 'pictures' ? 'pictures/x.csv' : 'y.csv';
    const classes = data === 'pictures' ? ['--format', 'folder', '--classes', 'numeric'] : [];
    if (data === 'pictures') assert.ok(classes.length > 0);
    const words = [
      'bn-recal',
      'a.onnx',
      '--data',
      data,
      ...run,
      '--out',
      `${data}.onnx`,
      '--csv',
      out,
      '--skip-existing',
      '--json',
    ];
    assert.equal(runProgram(ONNX_TEMPER, words, folder).status, 0);
    assert.equal(runProgram(ONNX_TEMPER, words, folder).status, 0);
    const picture = join(pictures, 'k', 'png-1bit.png');
    const bytes = readFileSync(picture);
    const flipped = Buffer.from(bytes);
    flipped[flipped.length - 1] = 255 - (flipped.at(-1) as number);
    writeFileSync(picture, flipped);
    assert.match(refused(runProgram(ONNX_TEMPER, words, folder)).message, /--data is not what it was/);
    writeFileSync(picture, bytes);
  }
});
