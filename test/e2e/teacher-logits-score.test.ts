import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { parse } from 'csv-parse/sync';
import type { SourceScore } from '../../src/distill/index.ts';
import { fashionPixels, npyBytes, pngs } from '../support/dataset-files.ts';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { ONNX_TEMPER, runProgram, TEACHER_LOGITS } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';

const folder = tempFolder();
const at = (name: string): string => join(folder, name);
const IMAGES = join(FASHION, 'test-images-idx3-ubyte.gz');
const DATA = ['--data', IMAGES, '--labels', join(FASHION, 'test-labels-idx1-ubyte.gz')];
const ON_CPU = ['--device', 'cpu', '--threads', '1', '--workers', '1'];
const TRANSFORM = ['--preset', 'none', '--size', '20', '--mean', '0.286', '--std', '0.353'];
const [FIRST, SECOND, STUDENT] = [SNAPSHOTS[0], SNAPSHOTS[6], SNAPSHOTS[11]] as [string, string, string];
const VIEWS = ['--augment', 'rrc,flip', '--views', '2'];

interface Document {
  readonly scores: readonly SourceScore[];
  readonly error?: { readonly code: string; readonly message: string; readonly hint: string };
  readonly [field: string]: unknown;
}

function run(args: readonly string[], status = 0): { document: Document; stderr: string } {
  const result = runProgram(TEACHER_LOGITS, [...args, '--json']);
  assert.equal(result.status, status, result.stderr);
  return { document: JSON.parse(result.stdout) as Document, stderr: result.stderr };
}
const score = (...args: readonly string[]) => run(['score', ...args, ...ON_CPU]);

function fails(args: readonly string[], status: number, code: string, pattern: RegExp): void {
  const { error } = run(['score', ...args, ...ON_CPU, '--quiet'], status).document;
  assert.equal(error?.code, code, error?.message);
  assert.match(`${error?.message} ${error?.hint}`, pattern);
}

before(() => {
  const rows = ['--rows', '40:90', ...DATA, ...TRANSFORM, ...ON_CPU, '--quiet'];
  run([FIRST, SECOND, '--out', at('two'), ...rows, ...VIEWS]);
  run([FIRST, '--out', at('top'), ...rows, '--top-k', '4', '--temperatures', '1,4']);
});

test('two teachers on recorded views: each and their ensemble, in JSON, CSV, by class and by row', () => {
  const files = { out: at('scores.csv'), 'per-class': at('classes.csv'), 'per-row': at('rows.csv') };
  const named = Object.entries(files).flatMap(([option, path]) => [`--${option}`, path]);
  const { document, stderr } = score(at('two'), '--student', STUDENT, ...DATA, ...named, '--worst', '2');
  assert.match(stderr, /the student sees what epoch_14\.onnx saw/);
  assert.deepEqual(
    document.scores.map(({ source, n_rows, worst }) => [source, n_rows, worst.length]),
    [
      ['epoch_14.onnx', 100, 2],
      ['epoch_20.onnx', 100, 2],
      ['ensemble (mean-probability)', 100, 2],
    ],
  );
  for (const field of ['formula', 'reduction', 'tail']) assert.equal(typeof document[field], 'string');
  for (const field of ['student_sha256', 'store_manifest_sha256', 'data_table_sha256', 'transform_sha256'])
    assert.match(String(document[field]), /^[0-9a-f]{64}$/, field);

  const read = (path: string) => parse(readFileSync(path), { columns: true }) as Record<string, string>[];
  const table = read(files.out);
  assert.deepEqual(
    table.map(({ teacher, temperature, kl }) => [teacher, Number(temperature), Number(kl)]),
    document.scores.flatMap(({ source, temperatures }) => temperatures.map((one) => [source, one.temperature, one.kl])),
  );
  assert.equal(table[0]?.student, 'epoch_25.onnx');
  const rows = read(files['per-row']);
  assert.deepEqual(Object.keys(rows[0] ?? {}), [
    ...['source', 'key', 'view', 'label', 'teacher_class', 'student_class', 'kl_t1', 'kl_t2', 'kl_t4', 'kl_t5'],
  ]);
  assert.equal(rows.length, 300);
  const of = rows.filter(({ source }) => source === 'epoch_20.onnx');
  const mean = of.reduce((sum, row) => sum + Number(row.kl_t4), 0) / of.length;
  assert.ok(Math.abs(mean - (document.scores[1]?.temperatures[2]?.kl ?? 0)) < 1e-12);
  const classes = read(files['per-class']).filter(({ teacher }) => teacher === 'epoch_14.onnx');
  assert.equal(
    classes.reduce((sum, { n_rows }) => sum + Number(n_rows), 0),
    100,
  );
});

test('a student that is the teacher has a KL of the rounding alone and agrees everywhere: the views are the same', () => {
  const { scores } = score(at('two'), '--student', SECOND, ...DATA, '--ensemble', 'none').document;
  assert.equal(scores.length, 2);
  assert.deepEqual([scores[1]?.agree1, scores[1]?.agree5], [1, 1]);
  for (const { kl } of scores[1]?.temperatures ?? []) assert.ok(kl >= 0 && kl < 1e-6, String(kl));
  assert.ok((scores[0]?.temperatures[0]?.kl ?? 0) > 1e-2);
});

test('text says formula, reduction and tail rule; top-K prints bounds', () => {
  const { status, stdout } = runProgram(ONNX_TEMPER, [
    ...['teacher-logits', 'score', at('top'), '--student', STUDENT, ...DATA, ...ON_CPU],
  ]);
  assert.equal(status, 0);
  assert.match(stdout, /^teacher +T +kl +kl_lower +kl_upper/);
  assert.match(stdout, /T\^2 \* sum_k p_k \(ln p_k - ln q_k\)/);
  assert.match(stdout, /reduction batchmean/);
  assert.match(stdout, /tail top-4 of 10 classes.*uniform tail.*ghost bucket/);
  assert.match(stdout, /farthest from epoch_14\.onnx/);
});

test('rows of the store, other temperatures and weights', () => {
  const some = score(
    at('two'),
    '--student',
    STUDENT,
    ...DATA,
    '--rows',
    '50:60',
    '--temperatures',
    '3',
    '--weights',
    '1,0',
  );
  assert.deepEqual(
    some.document.scores.map(({ n_rows, temperatures }) => [
      n_rows,
      temperatures.map(({ temperature }) => temperature),
    ]),
    Array.from({ length: 3 }, () => [20, [3]]),
  );
  const [first, , ensemble] = some.document.scores;
  assert.ok(Math.abs((first?.temperatures[0]?.kl ?? 0) - (ensemble?.temperatures[0]?.kl ?? 1)) < 1e-12);
});

test('network input as a float32 .npy has targets and scores without any transform', () => {
  const pixels = Float32Array.from(Buffer.concat(fashionPixels(30, 20)), (x) => (x / 255 - 0.286) / 0.353);
  const ready = at('ready.npy');
  writeFileSync(ready, npyBytes('<f4', '(30, 1, 20, 20)', new Uint8Array(pixels.buffer)));
  run([FIRST, '--out', at('ready'), '--data', ready, ...ON_CPU, '--quiet']);
  const { scores, transform_sha256 } = score(at('ready'), '--student', FIRST, '--data', ready).document;
  assert.deepEqual(
    [scores[0]?.n_rows, scores[0]?.agree1, scores[0]?.student_top1, transform_sha256],
    [30, 1, undefined, undefined],
  );
  fails([at('ready'), '--student', FIRST, '--data', ready, '--size', '20'], 2, 'USAGE', /--size has no use/);
});

test('what does not belong to the store is refused by name', async () => {
  const top = at('top');
  fails([at('two'), '--student', STUDENT, '--data', IMAGES], 6, 'MISMATCH_VALUE', /not the table of samples.*--labels/);
  fails([at('two'), '--student', STUDENT, ...DATA, '--rows', '0:60'], 6, 'MISMATCH_VALUE', /has no targets of row 0/);
  fails(
    [top, '--student', STUDENT, ...DATA, '--temperatures', '2'],
    2,
    'USAGE',
    /knows the mass of the other classes at 1, 4 alone/,
  );
  fails([top, '--student', STUDENT, ...DATA, '--temperatures', '0'], 2, 'USAGE', /numbers over 0/);
  fails([top, '--student', STUDENT, ...DATA, '--weights', '1'], 2, 'USAGE', /--weights has no use/);
  fails([at('two'), '--student', STUDENT, ...DATA, '--weights', '1,2,3'], 2, 'USAGE', /expected 2 numbers/);
  fails([top, '--student', STUDENT, ...DATA, '--out', IMAGES], 3, 'OUTPUT_IS_INPUT', /one of the inputs/);
  fails([folder, '--student', STUDENT, ...DATA], 3, 'INPUT_NOT_FOUND', /manifest\.json/);
  fails([top, '--student', at('none.onnx'), ...DATA], 3, 'INPUT_NOT_FOUND', /no such file/);

  // The same keys and labels, other pictures.
  const pixels = fashionPixels(12);
  for (const [name, side] of [
    ['a', 28],
    ['b', 24],
  ] as const) {
    mkdirSync(at(name));
    for (const [i, png] of (await pngs(pixels)).entries()) {
      const sharp = (await import('sharp')).default;
      const resized = await sharp(png).resize(side, side).png().toBuffer();
      writeFileSync(join(at(name), `${String(i).padStart(2, '0')}.png`), resized);
    }
  }
  run([FIRST, '--out', at('flat'), '--data', at('a'), '--format', 'flat', ...TRANSFORM, ...ON_CPU, '--quiet']);
  fails(
    [at('flat'), '--student', STUDENT, '--data', at('b'), '--format', 'flat'],
    6,
    'MISMATCH_VALUE',
    /24 x 24 pixels, the teachers saw 28 x 28/,
  );
});
