/** res-sweep as a user runs it: table, CSV, JSON, report, grids, several models, fixed sizes, refusals before work. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'csv-parse/sync';
import { openModel } from '../../src/onnx/index.ts';
import { freeSize } from '../../src/resolution/index.ts';
import { normals } from '../support/batchnorm.ts';
import { fashionPixels, pngs, writeTree } from '../support/dataset-files.ts';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { node, tensor, valueInfo, writeModel } from '../support/model-builder.ts';
import { ONNX_TEMPER, RES_SWEEP, runProgram } from '../support/run-cli.ts';
import { DATA, evalJson, ON_CPU, type Row, scoresOf, TRANSFORM, withoutTiming } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const folder = tempFolder();
const at = (name: string): string => join(folder, name);
const newest = SNAPSHOTS.at(-1) as string;
const FEW = [...DATA, ...TRANSFORM, '--rows', '0:300'];

interface Document {
  readonly rows: readonly Row[];
  readonly choices: readonly {
    readonly separated: boolean;
    readonly smallest_difference: number;
    readonly recommended: Row;
  }[];
  readonly predicted: readonly Row[] | null;
  readonly error?: { readonly code: string; readonly message: string; readonly hint: string | null };
}

const sweep = (...args: readonly string[]) => runProgram(RES_SWEEP, [...args, ...ON_CPU]);
function sweepJson(args: readonly string[], status = 0): Document {
  const run = sweep(...args, '--json', '--quiet');
  assert.equal(run.status, status, run.stderr);
  return JSON.parse(run.stdout) as Document;
}
const pick = (rows: readonly Row[], ...fields: string[]) => rows.map((row) => fields.map((field) => row[field]));

const BASE = [newest, ...FEW, '--train-size', '20', '--sizes', '16,24'];
const base = sweepJson([...BASE, '--out', at('a.csv'), '--report', at('a.html'), '--scale', '0.3,1']);

test('the train size is always among the rows; geometry says ratio, resize target, share of enlarged images, feature map', () => {
  assert.deepEqual(
    pick(base.rows, 'test_size', 'ratio', 'resize_size', 'crop_ratio', 'enlarged_share', 'padded_share', 'map_height'),
    [
      [16, 0.8, 16, 1, 0, 0, 4],
      [20, 1, 20, 1, 0, 0, 5],
      [24, 1.2, 24, 1, 0, 0, 6],
    ],
  );
  const large = sweepJson([newest, ...FEW, '--train-size', '20', '--sizes', '36', '--limit', '20']).rows.at(-1);
  assert.deepEqual([large?.enlarged_share, large?.stride_ok], [1, true]);
});

test('each row is what eval-ckpt measures at that size; differences are paired with the train size', () => {
  for (const row of base.rows) {
    const [one] = evalJson([newest, ...FEW, '--size', String(row.test_size)]).models;
    assert.deepEqual(scoresOf(row), scoresOf(one));
    assert.equal(row.transform_sha256, one?.transform_sha256);
  }
  const [small, own, large] = base.rows;
  assert.equal(own?.top1_difference, undefined);
  assert.ok(Math.abs(Number(small?.top1_difference) - (Number(small?.top1) - Number(own?.top1))) < 1e-12);
  assert.equal(large?.baseline, 'epoch_25.onnx at 20 px');
  assert.ok(Number(small?.mcnemar_p_holm) >= Number(small?.mcnemar_p));
});

test('cost: GMACs by the graph, speed, and a Pareto flag; provenance in each row', () => {
  const [small, own] = base.rows;
  assert.ok(Math.abs(Number(small?.gmacs) / Number(own?.gmacs) - 0.64) < 0.01);
  assert.ok(base.rows.some((row) => row.pareto));
  for (const row of base.rows) {
    for (const name of ['img_s_model', 'img_s_end2end', 'ms_p50', 'ms_p95']) assert.ok(Number(row[name]) > 0, name);
    for (const name of ['model_sha256', 'data_table_sha256', 'transform_sha256']) {
      assert.match(String(row[name]), /^[0-9a-f]{64}$/);
    }
    assert.ok(Number(row.img_s_end2end) <= Number(row.img_s_model));
  }
});

test('CSV holds the rows of --json, in plain decimals; the same input gives the same bytes apart from times', () => {
  const text = readFileSync(at('a.csv'), 'utf8');
  const rows = parse(text, { columns: true }) as Record<string, string>[];
  for (const [i, row] of rows.entries()) {
    for (const [name, cell] of Object.entries(row)) {
      const value = base.rows[i]?.[name];
      if (typeof value === 'number') assert.equal(Number(cell), value, name);
      else assert.equal(cell, String(value ?? ''), name);
      assert.doesNotMatch(cell, /^-?[\d.]+e/i);
    }
  }
  const again = sweepJson([...BASE, '--scale', '0.3,1']);
  const still = (all: readonly Row[]) => all.map((row) => ({ ...withoutTiming(row), pareto: undefined }));
  assert.deepEqual(still(again.rows), still(base.rows));
  assert.deepEqual(again.choices, base.choices);
});

test('the report names the answer, holds charts and tables, and asks for nothing', () => {
  const html = readFileSync(at('a.html'), 'utf8');
  for (const text of [
    'Top-1 by test size',
    'Accuracy against throughput',
    'Apparent size',
    'Recommended: ',
    'train size',
  ]) {
    assert.ok(html.includes(text), text);
  }
  assert.doesNotMatch(html, /src="http|href="http|@import|url\(http/);
});

test('few images cannot tell near sizes apart: the train size is kept and the smallest visible difference is said', () => {
  const run = sweep(newest, ...FEW, '--limit', '60', '--train-size', '20', '--sizes', '19', '--recommend');
  assert.equal(run.status, 0, run.stderr);
  assert.match(
    run.stdout,
    /\d+ images cannot tell these sizes apart: they can show no difference under \d+\.\d\d points/,
  );
  assert.match(run.stdout, /Recommended: 20 px .*the train size, (as nothing speaks for another|which is the best)/);
  assert.match(run.stdout, /Use --size 20 --resize 20 --resize-rule squash --interpolation bilinear/);
});

/** Sweeps, and gives the row whose options are printed, and what eval-ckpt measures with those options pasted behind it. */
function pasted(models: string, args: readonly string[], data: readonly string[] = [...DATA, '--rows', '0:300']) {
  const swept = sweep(models, ...data, ...args, '--recommend', '--json');
  assert.equal(swept.status, 0, swept.stderr);
  const { choices, rows } = JSON.parse(swept.stdout) as Document;
  const chosen = choices[0]?.recommended;
  const row = rows.find(
    (one) =>
      one.variant === 'keep' &&
      ['test_size', 'resize_size', 'crop_ratio', 'resize_rule', 'interpolation'].every(
        (name) => one[name] === chosen?.[name],
      ),
  );
  const text = sweep(models, ...data, ...args, '--recommend', '--quiet');
  const words = /^Use (--size .*)$/m.exec(text.stdout)?.[1] ?? '';
  assert.notEqual(words, '', text.stdout);
  // A shell takes the line as it is.
  assert.doesNotMatch(words, /[^\w\s.,-]/);
  const [measured] = evalJson([models, ...data, ...words.split(' ')]).models;
  return { row, measured };
}

for (const [name, args] of [
  ['a preset with mean and std', [...TRANSFORM, '--sizes', '1x,1.2x']],
  [
    'a crop, another filter, a turned picture',
    [
      '--mean',
      '0.3',
      '--std',
      '0.25',
      '--sizes',
      '20,24',
      '--crop-ratios',
      '0.8',
      '--interpolations',
      'lanczos',
      '--orientation',
      'exif',
    ],
  ],
  [
    'sizes that are no squares, with a crop of their own proportions',
    [
      '--preset',
      'timm',
      '--mean',
      '0.286',
      '--std',
      '0.353',
      '--sizes',
      '20x24',
      '--train-size',
      '20x28',
      '--crop-ratio',
      '0.875',
    ],
  ],
] as const) {
  test(`the line "Use ..." pasted behind eval-ckpt gives the numbers of its row: ${name}`, () => {
    const { row, measured } = pasted(newest, [
      ...(args.includes('--train-size' as never) ? [] : ['--train-size', '20']),
      ...args,
    ]);
    assert.ok(row, 'the recommended row is in the table');
    assert.deepEqual(scoresOf(measured), scoresOf(row));
    assert.equal(measured?.transform_sha256, row.transform_sha256);
  });
}

test('HxW: rows, train size and ratios of what is no square; test_size says both sides', () => {
  const { rows } = sweepJson([newest, ...FEW, '--train-size', '20x24', '--sizes', '16x24,0.5x,28,24x20']);
  assert.deepEqual(pick(rows, 'test_size', 'train_size', 'map_height', 'map_width'), [
    ['10x12', '20x24', 3, 3],
    ['16x24', '20x24', 4, 6],
    ['20x24', '20x24', 5, 6],
    ['24x20', '20x24', 6, 5],
    [28, '20x24', 7, 7],
  ]);
  assert.equal(rows[0]?.ratio, 0.5);
  assert.ok(Math.abs(Number(rows[1]?.ratio) - Math.sqrt((16 * 24) / (20 * 24))) < 1e-12);
  assert.equal(rows[4]?.baseline, 'epoch_25.onnx at 20x24 px');
  const [one] = evalJson([newest, ...FEW, '--size', '16x24']).models;
  assert.deepEqual(scoresOf(rows[1]), scoresOf(one));
});

test('the margin is a fraction; what is chosen, and whether the other half confirms it, is in the document', () => {
  const { choices } = sweepJson([...BASE, '--margin', '0.5']);
  const [choice] = choices as unknown as Row[];
  assert.deepEqual([choice?.margin, choice?.outcome], [0.5, 'confirmed']);
  assert.equal(choices[0]?.recommended.test_size, 16);
  assert.equal(sweepJson([...BASE, '--margin', '1'], 2).error?.code, 'USAGE');
});

test('the prediction by apparent size is given where the training crop is: square images by the closed form too', () => {
  const [prediction] = base.predicted ?? [];
  assert.ok(Math.abs(Number(prediction?.ratio_square_images) - 1.2562) < 1e-3, JSON.stringify(prediction));
  assert.ok(Number(prediction?.ratio) > 1.2 && Number(prediction?.ratio) < 1.35);
  assert.equal(sweepJson(BASE).predicted, null);
});

test('crop ratios, filters and variants make a grid in a stable order; test-time pooling is above the train size alone', () => {
  const args = ['--crop-ratios', '0.8,1', '--interpolations', 'bilinear,bicubic', '--test-pool', '--limit', '40'];
  const data = [...DATA, '--mean', '0.286', '--std', '0.353'];
  const { rows } = sweepJson([newest, ...data, ...args, '--train-size', '20', '--sizes', '1x,1.2x']);
  assert.deepEqual(pick(rows, 'test_size', 'resize_size', 'interpolation', 'variant'), [
    [20, 25, 'bilinear', 'keep'],
    [20, 20, 'bilinear', 'keep'],
    [20, 25, 'bicubic', 'keep'],
    [20, 20, 'bicubic', 'keep'],
    [24, 30, 'bilinear', 'keep'],
    [24, 24, 'bilinear', 'keep'],
    [24, 24, 'bilinear', 'test-pool'],
    [24, 30, 'bicubic', 'keep'],
    [24, 24, 'bicubic', 'keep'],
    [24, 24, 'bicubic', 'test-pool'],
  ]);
});

test('several models in one sweep: each has its baseline, and its train size', () => {
  const { rows } = sweepJson([...SNAPSHOTS.slice(0, 2), ...FEW, '--train-size', '20,24', '--sizes', '1x']);
  assert.deepEqual(pick(rows, 'model', 'train_size', 'test_size'), [
    ['epoch_14.onnx', 20, 20],
    ['epoch_15.onnx', 24, 24],
  ]);
});

/** A classifier of 28 px grey images fixed to a size and a batch of one, by its input alone. */
function fixedModel(name: string, reshape: boolean): string {
  return writeModel(at(name), {
    nodes: [
      node('Conv', ['x', 'w'], ['map'], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
      ...(reshape
        ? [node('Reshape', ['map', 'shape'], ['flat']), node('MatMul', ['flat', 'wide'], ['scores'])]
        : [
            node('GlobalAveragePool', ['map'], ['pooled']),
            node('Flatten', ['pooled'], ['flat']),
            node('MatMul', ['flat', 'fc'], ['scores']),
          ]),
    ],
    initializers: [
      tensor({ name: 'w', dims: [4, 1, 3, 3], values: normals(1, 36) }),
      tensor({ name: 'fc', dims: [4, 10], values: normals(2, 40) }),
      tensor({ name: 'wide', dims: [400, 10], values: normals(3, 4000) }),
      tensor({ name: 'shape', dims: [2], values: [-1, 400], type: 'int64' }),
    ],
    inputs: [valueInfo('x', [1, 1, 20, 20])],
    outputs: [valueInfo('scores', [1, 10])],
  });
}

test('a file that is fixed to a size runs at others, in larger batches, and its own size is the train size', () => {
  const path = fixedModel('fixed.onnx', false);
  const before = readFileSync(path);
  const run = sweep(path, ...FEW, '--sizes', '20:28:8', '--json');
  assert.equal(run.status, 0, run.stderr);
  assert.match(run.stderr, /is fixed to 20 px; the sweep runs a copy with free sizes/);
  const { rows } = JSON.parse(run.stdout) as Document;
  assert.deepEqual(pick(rows, 'test_size', 'train_size', 'verdict', 'batch'), [
    [20, 20, 'safe', 64],
    [28, 20, 'safe', 64],
  ]);
  const [one] = evalJson([path, ...FEW]).models;
  assert.equal(rows[0]?.top1, one?.top1);
  assert.deepEqual(readFileSync(path), before);
  const file = openModel(path);
  assert.deepEqual(
    freeSize(file, { input: 'x', layout: 'NCHW', batch: false }).record.graph.inputs[0]?.tensorType?.dims,
    [1, 1, 'onnx_temper.size.2', 'onnx_temper.size.3'],
  );
  file.close();
});

test('a size that the graph cannot run at is a row with the reason, not the end', () => {
  const run = sweep(fixedModel('reshape.onnx', true), ...FEW, '--sizes', '16,20,40', '--json');
  assert.equal(run.status, 0, run.stderr);
  const { rows } = JSON.parse(run.stdout) as Document;
  assert.deepEqual(pick(rows, 'test_size', 'verdict', 'top1'), [
    [16, 'blocked', undefined],
    [20, 'safe', rows[1]?.top1],
    [40, 'blocked', undefined],
  ]);
  assert.match(String(rows[0]?.verdict_reason), /cannot be reshaped|reshape/i);
  // Four rows of one image: onnxruntime says nothing, the number of rows does.
  assert.match(String(rows[2]?.verdict_reason), /output scores is \[\d+,10\] for a batch of/);
  assert.match(run.stderr, /reshape\.onnx at 40 px is blocked/);
});

test('images are left out of all rows alike; labels must fit the model', async () => {
  const files = await pngs(fashionPixels(4));
  writeTree(at('tree'), {
    'a/0.png': files[0] as Uint8Array,
    'a/1.png': files[1] as Uint8Array,
    'b/2.png': files[2] as Uint8Array,
  });
  writeFileSync(join(at('tree'), 'b', '3.png'), 'no image');
  // Two folders for ten classes: refused, unless a map says which.
  const unnamed = [newest, '--data', at('tree'), ...TRANSFORM, '--train-size', '20', '--sizes', '24'];
  assert.equal(sweepJson(unnamed, 6).error?.code, 'MISMATCH_VALUE');
  writeFileSync(at('classes.json'), JSON.stringify({ a: 3, b: 7 }));
  const args = [
    newest,
    '--data',
    at('tree'),
    '--classes',
    at('classes.json'),
    ...TRANSFORM,
    '--train-size',
    '20',
    '--sizes',
    '24',
  ];
  const { rows } = sweepJson([...args, '--on-bad-image', 'skip']);
  assert.deepEqual(pick(rows, 'n_images', 'n_bad_images'), [
    [3, 1],
    [3, 1],
  ]);
  assert.equal(sweepJson(args, 5).error?.code, 'UNSUPPORTED_IMAGE');
});

const REFUSED: readonly (readonly [name: string, args: readonly string[], code: string, pattern: RegExp])[] = [
  ['no train size for a model of any size', [newest, ...FEW, '--sizes', '20'], 'USAGE', /takes any size.*--train-size/],
  ['sizes that are none', [...BASE.slice(0, -1), 'big'], 'USAGE', /--sizes.*128:384:32/],
  ['recalibration without images', [...BASE, '--bn', 'recalibrate'], 'USAGE', /--bn recalibrate --train SRC/],
  ['images without recalibration', [...BASE, '--bn-data', FASHION], 'USAGE', /--train has no use/],
  ['a report in no format', [...BASE, '--report', at('r.txt')], 'USAGE', /\.html/],
  ['an area that is none', [...BASE, '--scale', '2,1'], 'USAGE', /--scale/],
  ['a crop ratio over one', [...BASE, '--crop-ratios', '1.5'], 'USAGE', /crop ratio/],
  ['an unknown filter', [...BASE, '--interpolations', 'quadratic'], 'USAGE', /interpolation/],
];
for (const [name, args, code, pattern] of REFUSED) {
  test(`refused: ${name}`, () => {
    const { error } = sweepJson(args, 2);
    assert.equal(error?.code, code);
    assert.match(`${error?.message} ${error?.hint}`, pattern);
  });
}

test('outputs are not replaced without --force, and nothing is left of a refusal', () => {
  const { error } = sweepJson([...BASE, '--out', at('a.csv')], 3);
  assert.equal(error?.code, 'OUTPUT_EXISTS');
  sweepJson([...BASE, '--out', at('new.csv'), '--scale', '0,1'], 2);
  assert.equal(existsSync(at('new.csv')), false);
});

test('it is a subcommand too, and --help shows defaults and an example', () => {
  const help = runProgram(ONNX_TEMPER, ['res-sweep', '--help']);
  assert.equal(help.status, 0);
  assert.match(help.stdout, /--sizes.*128:384:32[\s\S]*--train-size[\s\S]*--recommend[\s\S]*Examples:/);
});
