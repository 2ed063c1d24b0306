import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { parse } from 'csv-parse/sync';
import { average } from '../support/average.ts';
import { normals } from '../support/batchnorm.ts';
import { npyBytes } from '../support/dataset-files.ts';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { decodeModel, floatsOf } from '../support/model-builder.ts';
import { withExternalData } from '../support/model-variants.ts';
import { avgCkpt, BN_RECAL, type CliResult, runProgram } from '../support/run-cli.ts';
import { evalJson, IMAGES, ON_CPU, DATA as TEST_DATA, TRANSFORM } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();
const uniform = join(root, 'uniform.onnx');
before(() => average(SNAPSHOTS, uniform));

const TRAIN = join(FASHION, 'train-2k-images-idx3-ubyte.gz');
const GUARD = ['--guard-data', IMAGES, '--guard-labels', join(FASHION, 'test-labels-idx1-ubyte.gz')] as const;
/** 300 images, 20 px. */
const SMALL = ['--data', TRAIN, '--rows', '0:300', '--size', '20', ...TRANSFORM, '--batch', '100'] as const;
const FULL = ['--data', TRAIN, ...TRANSFORM, '--batch', '250'] as const;

const IMAGE_FILES = join(FASHION, '..', 'images');
const PHOTOS = ['jpeg-420.jpg', 'jpeg-422.jpg', 'jpeg-420-progressive.jpg'];

let folders = 0;
function fresh(): string {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  return folder;
}
const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
const bnRecal = (...args: readonly string[]): CliResult => runProgram(BN_RECAL, [...args, ...ON_CPU]);

interface Result {
  readonly output: { readonly path: string; readonly bytes: number; readonly sha256: string } | null;
  readonly csv: string | null;
  readonly n_images: number;
  readonly guard: Readonly<Record<string, number | boolean>> | null;
  readonly warnings: readonly string[];
  readonly layers: readonly Readonly<Record<string, string | number>>[];
}
function recalJson(...args: readonly string[]): Result & { status: number | null; stderr: string } {
  const { status, stdout, stderr } = bnRecal(...args, '--json');
  return { status, stderr, ...(JSON.parse(stdout) as Result) };
}
function fails(status: number, code: string, pattern: RegExp, ...args: readonly string[]): void {
  const run = bnRecal(...args, '--json', '--quiet');
  const { error } = JSON.parse(run.stdout) as { error: { code: string; message: string; hint: string | null } };
  assert.equal(error.code, code, error.message);
  assert.match(`${error.message} ${error.hint}`, pattern);
  assert.equal(run.status, status);
}
const provenance = (path: string) =>
  (decodeModel(path).metadataProps ?? [])
    .filter(({ key }) => key?.startsWith('onnx_temper.'))
    .map(({ key, value }) => [key, JSON.parse(value ?? '') as Record<string, unknown>] as const);

test('20 px, where it does not help: the guard refuses with exit code 1, the table is written, the model is not', () => {
  const folder = fresh();
  const [out, csv] = [join(folder, 'out.onnx'), join(folder, 'layers.csv')];
  const { status, stdout } = bnRecal(uniform, ...FULL, '--size', '20', ...GUARD, '--out', out, '--csv', csv);
  assert.equal(status, 1);
  assert.match(
    stdout,
    /guard: top-1 88\.53 % before, 88\.49 % after, on 10000 images \(p = 0\.8459\): no difference beyond noise/,
  );
  assert.match(
    stdout,
    /no model was written: the guard found no improvement \(--allow-worse.*\nwrote .*layers\.csv \(the table of layers\)\n/,
  );
  assert.deepEqual(readdirSync(folder), ['layers.csv']);
});

test('16 px: the guard accepts; eval-ckpt finds what the guard said; --allow-worse writes the same at 20 px', () => {
  const folder = fresh();
  const out = join(folder, 'out.onnx');
  const { status, guard, output, n_images } = recalJson(uniform, ...FULL, '--size', '16', ...GUARD, '--out', out);
  assert.equal(status, 0);
  assert.deepEqual(
    [guard?.better, guard?.top1_before, guard?.top1_after, guard?.n_images, n_images],
    [true, 0.7933, 0.8183, 10000, 2000],
  );
  assert.equal(output?.sha256, sha256(out));
  const { models } = evalJson([uniform, out, ...TEST_DATA, ...TRANSFORM, '--size', '16']);
  assert.deepEqual(
    models.map(({ top1 }) => top1),
    [0.7933, 0.8183],
  );
  const worse = join(folder, 'worse.onnx');
  const allowed = recalJson(uniform, ...SMALL, ...GUARD, '--guard-limit', '500', '--out', worse, '--allow-worse');
  assert.deepEqual([allowed.status, allowed.guard?.better], [0, false]);
  assert.ok(existsSync(worse));
});

test('--json and --csv: every layer by its module, with numbers; --csv has the same rows', () => {
  const folder = fresh();
  const csv = join(folder, 'layers.csv');
  const result = recalJson(uniform, ...SMALL, '--out', join(folder, 'out.onnx'), '--csv', csv);
  assert.deepEqual(result.layers.map(({ layer }) => layer).slice(0, 3), ['bn1', 'layer1.bn1', 'layer1.bn2']);
  assert.deepEqual([result.csv, result.guard, result.n_images], [csv, null, 300]);
  const fields = Object.keys(result.layers[0] ?? {});
  for (const field of fields) assert.match(field, /^[a-z0-9]+(_[a-z0-9]+)*$/);
  const rows = parse(readFileSync(csv), { columns: true }) as Record<string, string>[];
  assert.deepEqual(
    rows.map((row) =>
      Object.fromEntries(fields.map((field) => [field, field === 'layer' ? row[field] : Number(row[field])])),
    ),
    result.layers,
  );
  assert.match(result.stderr, /300 images are few/);
});

test('the table and the CSV: shift in old standard deviations, ratio of variances, the largest before and after, by hand', () => {
  const folder = fresh();
  const [out, csv] = [join(folder, 'out.onnx'), join(folder, 'layers.csv')];
  const { status, stdout } = bnRecal(uniform, ...SMALL, '--out', out, '--csv', csv);
  assert.equal(status, 0);
  const stored = (path: string, name: string) => Array.from(floatsOf(path, `layer2.bn1.${name}`));
  const [m0, m1, v0, v1] = [
    stored(uniform, 'running_mean'),
    stored(out, 'running_mean'),
    stored(uniform, 'running_var'),
    stored(out, 'running_var'),
  ];
  const epsilon = 1e-5;
  const shifts = m0.map((m, c) => ((m1[c] as number) - m) / Math.sqrt((v0[c] as number) + epsilon));
  const ratios = v0.map((v, c) => ((v1[c] as number) + epsilon) / (v + epsilon)).sort((a, b) => a - b);
  const largest = (values: readonly number[]) => Math.max(...values.map(Math.abs));
  const expected: Readonly<Record<string, number>> = {
    channels: 32,
    mean_shift_rms: Math.sqrt(shifts.reduce((sum, shift) => sum + shift ** 2, 0) / shifts.length),
    mean_shift_max: largest(shifts),
    variance_ratio_min: ratios[0] as number,
    variance_ratio_max: ratios.at(-1) as number,
    mean_abs_max_before: largest(m0),
    mean_abs_max_after: largest(m1),
    variance_max_before: largest(v0),
    variance_max_after: largest(v1),
    zero_variance_channels: 0,
  };
  const rows = parse(readFileSync(csv), { columns: true }) as Record<string, string>[];
  const row = rows.find(({ layer }) => layer === 'layer2.bn1') ?? assert.fail();
  for (const [field, value] of Object.entries(expected)) {
    // The report is of what was measured, the file of what was rounded to float32.
    assert.ok(Math.abs(Number(row[field]) - value) <= 1e-5 * Math.abs(value), `${field}: ${row[field]}, not ${value}`);
  }
  // The table is cut at 80 columns: what does not fit stands below, behind the layer's name again.
  const [line = '', ...below] = stdout.split('\n').filter((text) => text.startsWith('layer2.bn1'));
  const cells = [line, ...below.map((text) => text.replace(/^\S+ +/, ''))].flatMap((text) => text.split(/ +/));
  assert.deepEqual(
    [cells[1], cells[2], cells[3], cells[4], cells[6]],
    [
      '32',
      ...['mean_shift_rms', 'mean_shift_max', 'variance_ratio_min', 'variance_ratio_max'].map((field) =>
        Number(row[field]).toFixed(4),
      ),
    ],
  );
  assert.deepEqual(cells.slice(7).map(Number), [
    ...['mean_abs_max_before', 'mean_abs_max_after', 'variance_max_before', 'variance_max_after'].map((field) =>
      Number(Number(row[field]).toPrecision(4)),
    ),
    0,
  ]);
});

test('the same inputs give the same bytes, whatever the workers, with the evaluation transform and with drawn views', () => {
  const folder = fresh();
  for (const [name, views] of [
    ['plain', []],
    ['views', ['--augment', 'rrc,flip', '--views', '2', '--scale', '0.5,1']],
  ] as const) {
    const outs = ['1', '3'].map((workers) => {
      const out = join(folder, `${name}-${workers}.onnx`);
      const args = [
        uniform,
        ...SMALL,
        ...views,
        '--out',
        out,
        '--device',
        'cpu',
        '--threads',
        '1',
        '--workers',
        workers,
      ];
      assert.equal(runProgram(BN_RECAL, args).status, 0);
      return sha256(out);
    });
    assert.equal(outs[0], outs[1]);
  }
  const [, record] = provenance(join(folder, 'views-1.onnx')).at(-1) ?? assert.fail();
  assert.equal(record.n_images, 600);
  assert.deepEqual((record.views as { count: number }).count, 2);
});

test('views are drawn by seed, image and view: a first layer of other batches sees the same, of another seed it does not', () => {
  const folder = fresh();
  const first = (name: string, ...more: string[]) =>
    recalJson(
      uniform,
      '--data',
      TRAIN,
      '--rows',
      '0:300',
      '--size',
      '20',
      ...TRANSFORM,
      '--augment',
      'rrc,flip',
      '--out',
      join(folder, name),
      ...more,
    ).layers[0] ?? assert.fail();
  const [a, b, c] = [
    first('a', '--batch', '300'),
    first('b', '--batch', '70'),
    first('c', '--batch', '300', '--seed', '1'),
  ];
  const shift = ({ mean_shift_rms: value }: typeof a) => value as number;
  assert.ok(Math.abs(shift(a) / shift(b) - 1) < 1e-4, `${shift(a)} and ${shift(b)}`);
  assert.ok(Math.abs(shift(a) / shift(c) - 1) > 1e-3);
});

test('--samples: as many, by the seed, and how many is reported; more than there are is no error', () => {
  const folder = fresh();
  const run = (name: string, ...more: string[]) => {
    const out = join(folder, name);
    const { n_images } = recalJson(uniform, ...SMALL, '--out', out, ...more);
    return { n_images, rows: provenance(out).at(-1)?.[1].rows_sha256 };
  };
  const [a, again, other, all] = [
    run('a', '--samples', '50'),
    run('b', '--samples', '50'),
    run('c', '--samples', '50', '--seed', '9'),
    run('d', '--samples', '5000'),
  ];
  assert.deepEqual([a.n_images, other.n_images, all.n_images], [50, 50, 300]);
  assert.equal(a.rows, again.rows);
  assert.notEqual(a.rows, other.rows);
});

test('provenance accumulates: the average is step 1, the recalibration step 2, with its settings', () => {
  const folder = fresh();
  const [averaged, out] = [join(folder, 'average.onnx'), join(folder, 'out.onnx')];
  assert.equal(avgCkpt(...SNAPSHOTS.slice(0, 2), '--out', averaged).status, 0);
  assert.equal(bnRecal(averaged, ...SMALL, '--layers', 'layer3.*', '--prior', '100', '--out', out).status, 0);
  const steps = provenance(out);
  assert.deepEqual(
    steps.map(([key]) => key),
    ['onnx_temper.1', 'onnx_temper.preprocessing', 'onnx_temper.2'],
  );
  const record = steps[2]?.[1] ?? assert.fail();
  assert.deepEqual(
    [
      record.command,
      (record.input as { sha256: string }).sha256,
      record.estimator,
      record.method,
      record.prior,
      record.layers,
      record.batch_size,
    ],
    ['bn-recal', sha256(averaged), 'population', 'batch', 100, 3, 100],
  );
  for (const field of ['data_table_sha256', 'rows_sha256', 'transform_sha256', 'provider', 'onnxruntime', 'version'])
    assert.ok(record[field], field);
});

test('--layers: the others keep their statistics to the byte', () => {
  const out = join(fresh(), 'out.onnx');
  assert.equal(bnRecal(uniform, ...SMALL, '--layers', 'layer3.bn2', '--out', out).status, 0);
  const [before, after] = [uniform, out].map((path) => decodeModel(path).graph?.initializer ?? []);
  const changed = (before ?? []).filter(
    (item, i) => Buffer.compare(item.rawData ?? Buffer.alloc(0), after?.[i]?.rawData ?? Buffer.alloc(0)) !== 0,
  );
  assert.deepEqual(
    changed.map(({ name }) => name),
    ['layer3.bn2.running_mean', 'layer3.bn2.running_var'],
  );
});

test('--method sequential and --estimator torch give other statistics than the default', () => {
  const folder = fresh();
  const outs = [[], ['--method', 'sequential'], ['--estimator', 'torch']].map((more, i) => {
    const out = join(folder, `${i}.onnx`);
    assert.equal(bnRecal(uniform, ...SMALL, ...more, '--out', out).status, 0);
    return Buffer.from(
      decodeModel(out).graph?.initializer?.find(({ name }) => name === 'layer3.bn2.running_var')?.rawData ?? [],
    ).toString('hex');
  });
  assert.equal(new Set(outs).size, 3);
});

test("two workers and merge give one worker's bytes", () => {
  const folder = fresh();
  const at = (name: string): string => join(folder, name);
  assert.equal(bnRecal(uniform, ...SMALL, '--out', at('one.onnx')).status, 0);
  for (const i of [0, 1])
    assert.equal(bnRecal(uniform, ...SMALL, '--shard', `${i}/2`, '--moments-out', at(`${i}.st`)).status, 0);
  const merged = bnRecal('merge', at('1.st'), at('0.st'), '--model', uniform, '--out', at('merged.onnx'));
  assert.equal(merged.status, 0, merged.stderr);
  assert.equal(sha256(at('merged.onnx')), sha256(at('one.onnx')));
});

test('merge refuses what the command refuses, before any work', () => {
  const folder = fresh();
  const at = (name: string): string => join(folder, name);
  assert.equal(bnRecal(uniform, ...SMALL, '--moments-out', at('all.st')).status, 0);
  const merge = ['merge', at('all.st'), '--model', uniform];
  fails(2, 'USAGE', /--out/, ...merge);
  fails(2, 'USAGE', /--prior -1/, ...merge, '--out', at('x'), '--prior=-1');
  fails(3, 'OUTPUT_IS_INPUT', /all\.st/, ...merge, '--out', at('x'), '--csv', at('all.st'), '--force');
  writeFileSync(at('taken'), 'mine');
  fails(3, 'OUTPUT_EXISTS', /taken/, ...merge, '--out', at('x'), '--csv', at('taken'));
  fails(7, 'OUTPUT_WRITE', /no such folder|ENOENT|x/, ...merge, '--out', join(at('missing'), 'x'));
  assert.deepEqual(readdirSync(folder), ['all.st', 'taken']);
});

test('merge refuses moments of other weights, where only the external data differs', () => {
  const folder = fresh();
  for (const name of ['a', 'b']) mkdirSync(join(folder, name));
  const [model, other] = [
    withExternalData(join(folder, 'a')),
    withExternalData(join(folder, 'b'), (data) => data.writeFloatLE(0.5, 0)),
  ];
  const moments = join(folder, 'all.st');
  const out = ['--out', join(folder, 'out.onnx')];
  const run = bnRecal(model, ...SMALL, '--moments-out', moments);
  assert.equal(run.status, 0, run.stderr);
  fails(6, 'MISMATCH_VALUE', /not the model that the moments are of/, 'merge', moments, '--model', other, ...out);
  assert.equal(bnRecal('merge', moments, '--model', model, ...out).status, 0);
});

/** Data that cannot be read: whatever is refused in spite of it is refused before any work. */
const NO_DATA = ['--data', join(root, 'no-such-data'), '--out', join(root, 'never.onnx')] as const;

test('refused before the data is read: outputs that exist or are inputs, and options that cannot be', () => {
  const folder = fresh();
  const taken = join(folder, 'taken');
  writeFileSync(taken, 'mine');
  const with_ = (...more: string[]) => [uniform, ...NO_DATA.slice(0, 2), ...more];
  fails(3, 'OUTPUT_EXISTS', /taken/, ...with_('--out', taken));
  fails(3, 'OUTPUT_EXISTS', /taken/, ...with_('--out', join(folder, 'o'), '--csv', taken));
  fails(3, 'OUTPUT_IS_INPUT', /uniform/, ...with_('--out', uniform, '--force'));
  fails(3, 'OUTPUT_IS_INPUT', /train-2k/, uniform, '--data', TRAIN, '--out', TRAIN, '--force');
  fails(7, 'OUTPUT_WRITE', /missing/, ...with_('--out', join(folder, 'missing', 'out.onnx')));
  fails(2, 'USAGE', /named for two outputs/, ...with_('--out', join(folder, 'o'), '--csv', join(folder, '.', 'o')));
  fails(2, 'USAGE', /no output/, ...with_());
  fails(2, 'USAGE', /--prior -5/, uniform, ...NO_DATA, '--prior=-5');
  fails(2, 'USAGE', /sequential.*torch/, uniform, ...NO_DATA, '--method', 'sequential', '--estimator', 'torch');
  fails(2, 'USAGE', /nothing\* .*|nothing\*/, uniform, ...NO_DATA, '--layers', 'nothing*');
  assert.equal(readFileSync(taken, 'utf8'), 'mine');
});

test('a worker measures: what belongs to the result is refused, and told where it belongs', () => {
  const worker = [uniform, ...NO_DATA.slice(0, 2), '--moments-out', join(root, 'never.st')];
  fails(2, 'USAGE', /--csv has no use without --out.*bn-recal merge/, ...worker, '--csv', join(root, 'never.csv'));
  fails(2, 'USAGE', /--val has no use/, ...worker, ...GUARD);
  fails(2, 'USAGE', /--prior has no use/, ...worker, '--prior', '10');
  fails(2, 'USAGE', /--estimator has no use/, ...worker, '--estimator', 'torch');
  fails(2, 'USAGE', /--allow-worse has no use/, ...worker, '--allow-worse');
});

test('refused by value: views without --augment, no samples, bad batches and augmentations', () => {
  const out = ['--out', join(fresh(), 'o')];
  fails(2, 'USAGE', /--views has no use without --augment/, uniform, ...SMALL, ...out, '--views', '2');
  fails(2, 'USAGE', /--scale has no use without --augment/, uniform, ...SMALL, ...out, '--scale', '0.5,1');
  fails(2, 'USAGE', /--augment crop: expected rrc, flip, jitter/, uniform, ...SMALL, ...out, '--augment', 'crop');
  fails(2, 'USAGE', /--samples 0/, uniform, ...SMALL, ...out, '--samples', '0');
  fails(2, 'USAGE', /--views 0/, uniform, ...SMALL, ...out, '--augment', 'flip', '--views', '0');
  fails(2, 'USAGE', /--batch 0/, uniform, ...SMALL.slice(0, -2), ...out, '--batch', '0');
});

test("data that is missing or unlabelled: the guard's too, before any image is measured", () => {
  fails(3, 'INPUT_NOT_FOUND', /no-such-data/, uniform, ...NO_DATA);
  fails(2, 'USAGE', /--data/, uniform, '--out', join(root, 'never.onnx'));
  const out = ['--out', join(fresh(), 'o')];
  const unlabelled = bnRecal(uniform, ...NO_DATA.slice(0, 2), ...out, '--guard-data', TRAIN, '--json');
  const { error } = JSON.parse(unlabelled.stdout) as { error: { message: string } };
  assert.match(error.message, /train-2k.*label/);
});

test('an image that cannot be decoded: refused by name, or left out, and then not counted', () => {
  const folder = fresh();
  const photos = join(folder, 'photos');
  mkdirSync(photos);
  for (const name of PHOTOS) copyFileSync(join(IMAGE_FILES, name), join(photos, name));
  writeFileSync(join(photos, 'bad.png'), 'no image');
  const base = [
    uniform,
    '--data',
    photos,
    '--size',
    '20',
    ...TRANSFORM,
    '--batch',
    '3',
    '--out',
    join(folder, 'out.onnx'),
  ];
  const refused = bnRecal(...base);
  assert.equal(refused.status, 5, refused.stderr);
  assert.match(refused.stderr, /bad\.png/);
  const left = recalJson(...base, '--on-bad-image', 'skip', '--prior', '4');
  assert.deepEqual([left.status, left.n_images], [0, 3], left.stderr);
  assert.match(left.stderr, /left out .*bad\.png/);
});

test('numbers that are ready for the network, as .npy: measured as they are; transform and views are refused', () => {
  const folder = fresh();
  const [npy, out] = [join(folder, 'x.npy'), join(folder, 'out.onnx')];
  const values = Float32Array.from(normals(3, 100 * 400, 0.5, 2));
  writeFileSync(npy, npyBytes('<f4', '(100, 1, 20, 20)', new Uint8Array(values.buffer)));
  const { status, n_images, stderr } = recalJson(uniform, '--data', npy, '--batch', '50', '--out', out);
  assert.deepEqual([status, n_images], [0, 100], stderr);
  assert.equal(provenance(out).at(-1)?.[1].transform, null);
  const other = join(folder, 'other.onnx');
  fails(2, 'USAGE', /ready for the network, --size has no use/, uniform, '--data', npy, '--size', '20', '--out', other);
  fails(2, 'USAGE', /no training views/, uniform, '--data', npy, '--augment', 'flip', '--out', other);
});

test('images unlike those of training: the JSON says so, with --quiet too', () => {
  const out = join(fresh(), 'out.onnx');
  const far = ['--data', TRAIN, '--rows', '0:300', '--size', '20', '--preset', 'none', '--mean', '0.9', '--std', '0.1'];
  const { status, warnings, stderr } = recalJson(uniform, ...far, '--out', out, '--quiet');
  assert.deepEqual([status, stderr], [0, '']);
  assert.match(warnings.join(), /layers moved far .*bn1.*Check with --val/);
});

test('a model without BatchNormalization: exit code 5 and the export call', () => {
  const path = join(fresh(), 'none.onnx');
  writeFileSync(
    path,
    readFileSync(uniform).toString('latin1').replaceAll('BatchNormalization', 'BatchNormalisation'),
    'latin1',
  );
  fails(5, 'UNSUPPORTED_GRAPH', /no BatchNormalization/, path, ...NO_DATA);
});
