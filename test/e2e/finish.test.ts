/** finish as a user runs it: what it decides, writes and prints, and its exit codes. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import proto from 'onnx-proto';
import { parse } from 'yaml';
import { openModel } from '../../src/onnx/index.ts';
import { declaredInputs } from '../../src/signature/index.ts';
import { writeColourRun } from '../support/colour-run.ts';
import { SNAPSHOTS } from '../support/fashion.ts';
import { writeHead, writeLabels } from '../support/heads.ts';
import { decodeModel } from '../support/model-builder.ts';
import { ON_CPU } from '../support/run-eval.ts';
import { COMMON, finish, SIZED, TRAIN, VAL, WORST_LAST } from '../support/run-finish.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();
/** A training checkpoint of another network. */
const TRAINED = fileURLToPath(new URL('../../../fixtures/trainer/plain.pth', import.meta.url));
const at = (...names: readonly string[]): string => join(root, ...names);
const read = (...names: readonly string[]): Buffer => readFileSync(at(...names));

interface Results {
  readonly improved: boolean;
  readonly steps: readonly {
    readonly step: string;
    readonly taken: boolean;
    readonly chose: string;
    readonly p: number;
  }[];
  readonly gains: readonly { readonly difference: number; readonly shown: boolean }[];
  readonly models: readonly { readonly stage: string; readonly top1: number; readonly n_images: number }[];
  readonly measured: { readonly steps: readonly { readonly step: string; readonly seconds: number }[] };
  readonly images: Readonly<Record<string, number>>;
}
const results = (folder: string): Results => JSON.parse(read(folder, 'results.json').toString()) as Results;
/** What does not differ from run to run. */
const unmeasured = (folder: string): object => {
  const { measured, measured_tried, ...rest } = JSON.parse(read(folder, 'results.json').toString()) as Record<
    string,
    unknown
  >;
  assert.ok(measured && measured_tried);
  return rest;
};

const FEW = [...VAL, '--val-rows', '0:1600', ...TRAIN, '--train-rows', '0:100'];
const OUTPUTS = ['README.md', 'model.onnx', 'recipe.yaml', 'report.html', 'report.md', 'results.json'];

test('an average that is better beyond noise is taken; what it brought stands on images that chose nothing', () => {
  const run = finish(...WORST_LAST, ...FEW, ...COMMON, '--sizes', '1x,1.4x', '--out-dir', at('first'));
  assert.equal(run.status, 0, run.stderr);
  assert.match(run.stdout, /average: uniform_last\d, \+\d.* points of top-1/);
  assert.deepEqual(readdirSync(at('first')).sort(), OUTPUTS);
  const { improved, steps, gains, models, images } = results('first');
  assert.equal(improved, true);
  assert.deepEqual(
    steps.map(({ step, taken }) => [step, taken]),
    [
      ['average', true],
      ['size', false],
      ['calibration', false],
    ],
  );
  assert.deepEqual([images.choosing, images.selecting, images.judging, images.reporting], [800, 400, 400, 800]);
  assert.deepEqual(
    models.map(({ n_images: n }) => n),
    [800, 800],
  );
  const [before, after] = models as [Results['models'][number], Results['models'][number]];
  assert.ok(after.top1 > before.top1 + 0.03, `${before.top1} to ${after.top1}`);
  assert.equal(gains[0]?.shown, true);
  const card = read('first', 'README.md').toString();
  const front = parse(card.split('---\n')[1] ?? '') as {
    'model-index': { results: { metrics: { value: number }[] }[] }[];
  };
  assert.equal(front['model-index'][0]?.results[0]?.metrics[0]?.value, after.top1);
  const html = read('first', 'report.html').toString();
  for (const text of ['What each step brought', 'onnxruntime, C++', 'Reliability after', 'Test size: left out'])
    assert.ok(html.includes(text), text);
});

test('the recipe runs again to the same bytes; beside it an option replaces its value', () => {
  const again = finish('--recipe', at('first', 'recipe.yaml'), '--workers', '2', '--out-dir', at('again'));
  assert.equal(again.status, 0, again.stderr);
  for (const name of ['model.onnx', 'recipe.yaml', 'README.md'])
    assert.deepEqual(read('again', name), read('first', name), name);
  assert.deepEqual(unmeasured('again'), unmeasured('first'));
  const other = finish(
    '--recipe',
    at('first', 'recipe.yaml'),
    '--no-sizes',
    '--no-calibrate',
    '--no-bn',
    '--out-dir',
    at('other'),
  );
  assert.equal(other.status, 0, other.stderr);
  assert.deepEqual(
    results('other').steps.map(({ step }) => step),
    ['average'],
  );
  const recipe = parse(read('other', 'recipe.yaml').toString()) as Record<string, unknown>;
  assert.deepEqual([recipe.sizes, recipe.calibrate, recipe.bn], [[], false, false]);
});

test('outputs are not replaced without --force, and a recipe of other inputs is refused: exit codes 3 and 6', () => {
  const before = statSync(at('first', 'model.onnx')).mtimeMs;
  assert.equal(finish('--recipe', at('first', 'recipe.yaml'), '--out-dir', at('first')).status, 3);
  assert.equal(statSync(at('first', 'model.onnx')).mtimeMs, before);
  const text = read('first', 'recipe.yaml').toString();
  const changed = text.replace(/(sha256: )[0-9a-f]/, (_, key: string) => `${key}${/sha256: a/.test(text) ? 'b' : 'a'}`);
  writeFileSync(
    at('changed.yaml'),
    changed.replace(/sha256: (.)/, (_, c: string) => `sha256: ${c === 'f' ? 'e' : 'f'}`),
  );
  const refused = finish('--recipe', at('changed.yaml'), '--out-dir', at('none'));
  assert.equal(refused.status, 6, refused.stderr);
  assert.match(refused.stderr, /--inputs/);
});

test('one snapshot that nothing improves is written byte for byte, but for its metadata: exit code 1', () => {
  const last = SNAPSHOTS.at(-1) as string;
  const few = [...VAL, '--val-rows', '0:400', '--no-bn', '--sizes', '1x'];
  const run = finish(last, ...few, ...COMMON, '--out-dir', at('one'), '--json');
  assert.equal(run.status, 1, run.stderr);
  const { improved, text } = JSON.parse(run.stdout) as { improved: boolean; text: string };
  assert.equal(improved, false);
  assert.match(text, /nothing beats your last checkpoint/);
  assert.deepEqual(readdirSync(at('one')).sort(), OUTPUTS);
  const snapshot = readFileSync(last);
  assert.deepEqual(read('one', 'model.onnx').subarray(0, snapshot.length), snapshot);
});

/** The same network, which takes one size. */
function fixedTo(side: number, path: string): string {
  const model = decodeModel(path);
  const dims = model.graph?.input?.[0]?.type?.tensorType?.shape?.dim ?? [];
  dims.splice(2, 2, { dimValue: side }, { dimValue: side });
  const fixed = join(root, 'fixed.onnx');
  writeFileSync(fixed, proto.onnx.ModelProto.encode(model).finish());
  return fixed;
}

test('a better size is taken, of a file that is fixed to one too, and an overconfident head is calibrated', () => {
  const model = fixedTo(14, writeHead(root, 'softmax'));
  const sizes = ['--sizes', '1x,20', '--no-bn'];
  const transform = SIZED.slice(0, -2);
  const run = finish(model, ...VAL, '--val-rows', '0:1200', ...transform, ...ON_CPU, ...sizes, '--out-dir', at('size'));
  assert.equal(run.status, 0, run.stderr);
  assert.deepEqual(
    results('size').steps.map(({ step, taken, chose }) => [step, taken, chose.split(' ')[0]]),
    [
      ['average', false, 'fixed'],
      ['size', true, '20'],
      ['calibration', true, 'temperature'],
    ],
  );
  const written = openModel(at('size', 'model.onnx'));
  const found = declaredInputs(written).facts?.().preprocessing({ input: 'input' });
  written.close();
  assert.ok(found);
  assert.match(read('size', 'README.md').toString(), /image\.resize\(\(20, 20\)/);
});

test('in another domain another answer is right: averaging helps, no size does, and statistics of other images hurt', () => {
  const run = finish(...writeColourRun(at('colour')), ...ON_CPU, '--no-calibrate', '--out-dir', at('colours'));
  assert.equal(run.status, 0, run.stderr);
  const { steps, gains } = results('colours');
  assert.deepEqual(
    steps.map(({ step, taken }) => [step, taken]),
    [
      ['average', true],
      ['size', false],
    ],
  );
  assert.match(steps[0]?.chose ?? '', /^uniform(_last\d)?$/);
  assert.equal(gains[0]?.shown, true);
  const { tried } = JSON.parse(read('colours', 'results.json').toString()) as {
    tried: { size: { variant: string; top1: number }[] };
  };
  const best = (variant: string): number =>
    Math.max(...tried.size.filter((row) => row.variant === variant).map(({ top1 }) => top1));
  assert.ok(best('recalibrated') < best('keep') - 0.03);
});

test('labels of other classes are said, and make no calibration; weights that are no numbers stop it with its own options', async () => {
  const [one] = SNAPSHOTS as [string];
  const turned = await writeLabels(root, 'turned', (label) => (label + 1) % 10);
  const few = [...COMMON, '--val-rows', '0:800', '--sizes', '1x'];
  const run = finish(one, VAL[0], VAL[1], '--val-labels', turned, ...few, '--out-dir', at('other-labels'));
  assert.equal(run.status, 1, run.stderr);
  assert.match(run.stdout, /calibration: left out, temperature 1000.*: no temperature is best/);
  assert.match(run.stdout, /^warning: top-1 .* is below chance/m);
  const broken = join(root, 'nan.onnx');
  const model = decodeModel(one);
  const bytes = Buffer.from(model.graph?.initializer?.find(({ dims }) => dims?.length === 4)?.rawData ?? []);
  bytes.writeFloatLE(Number.NaN, 0);
  const weight = model.graph?.initializer?.find(({ dims }) => dims?.length === 4);
  if (weight) weight.rawData = bytes;
  writeFileSync(broken, proto.onnx.ModelProto.encode(model).finish());
  const stopped = finish(one, broken, ...VAL, ...few, '--out-dir', at('nan'));
  assert.equal(stopped.status, 8, stopped.stderr);
  assert.match(stopped.stderr, /Leave that snapshot out.* finish has no --allow-nonfinite/);
});

test('runs that share a work folder share their steps', () => {
  const common = [
    ...WORST_LAST,
    ...VAL,
    '--val-rows',
    '0:400',
    ...COMMON,
    '--no-sizes',
    '--no-bn',
    '--work',
    at('work'),
  ];
  assert.notEqual(finish(...common, '--out-dir', at('a')).status, 2);
  const steps = readdirSync(at('work')).filter((name) => name.startsWith('average-'));
  assert.equal(steps.length, 1);
  const run = finish(...common, '--no-calibrate', '--out-dir', at('b'));
  assert.ok(run.status === 0 || run.status === 1, run.stderr);
  assert.deepEqual(
    results('b').measured.steps.map(({ seconds }) => seconds),
    [0],
  );
  assert.deepEqual(
    readdirSync(at('work')).filter((name) => name.startsWith('average-')),
    steps,
  );
});

test('--dry-run says what would run, and writes nothing', () => {
  const run = finish(...WORST_LAST, ...FEW, ...COMMON, '--out-dir', at('dry'), '--dry-run', '--json');
  assert.equal(run.status, 0, run.stderr);
  const plan = JSON.parse(run.stdout) as {
    steps: { step: string; passes: number }[];
    seconds: number;
    disk_bytes: number;
  };
  assert.deepEqual(
    plan.steps.map(({ step }) => step),
    ['average', 'size', 'calibration', 'report'],
  );
  assert.ok(plan.seconds > 0 && plan.disk_bytes > 0 && plan.steps.every(({ passes }) => passes > 0));
  assert.ok(!existsSync(at('dry')));
});

test('what is missing, contradicts itself or is no recipe is said before any work', () => {
  const fails = (status: number, pattern: RegExp, ...args: readonly string[]): void => {
    const run = finish(...args, '--out-dir', at('x'));
    assert.equal(run.status, status, run.stderr);
    assert.match(run.stderr, pattern);
    assert.ok(!existsSync(at('x', 'model.onnx')));
  };
  const [one] = SNAPSHOTS as [string];
  assert.equal(finish(one, ...VAL).status, 2);
  fails(2, /no --inputs is named/, ...VAL);
  fails(2, /no --val is named/, one);
  fails(2, /--fix-res needs images/, one, ...VAL, '--fix-res');
  fails(2, /--max-gmacs: found -1/, one, ...VAL, '--max-gmacs', '-1');
  fails(2, /--max-gmacs restricts sizes/, one, ...VAL, '--max-gmacs', '1', '--no-sizes');
  fails(2, /--train-labels without --train/, one, ...VAL, ...TRAIN.slice(2));
  fails(
    2,
    /shares 400 images with --val/,
    one,
    ...COMMON,
    ...VAL,
    '--val-rows',
    '0:400',
    '--test',
    VAL[1],
    '--test-labels',
    VAL[3],
  );
  fails(
    2,
    /no size is within --max-gmacs: the cheapest is 20 px, .* GMACs, over 1e-9/,
    one,
    ...COMMON,
    ...VAL,
    '--val-rows',
    '0:200',
    '--no-bn',
    '--sizes',
    '1x',
    '--max-gmacs',
    '1e-9',
  );
  fails(
    2,
    /--train shares 100 images with --val/,
    one,
    ...VAL,
    '--val-rows',
    '0:400',
    '--train',
    VAL[1],
    '--train-rows',
    '300:500',
  );
  fails(3, /--val has 7 labelled images, expected at least 8/, one, ...COMMON, ...VAL, '--val-rows', '0:7');
  fails(2, /is a training checkpoint[\s\S]*--template model\.onnx/, TRAINED, ...VAL);
  fails(3, /no such file/, 'nothing.onnx', ...VAL);
  fails(3, /no such file/, '--recipe', 'nothing.yaml');
  writeFileSync(at('bad.yaml'), 'recipe: 1\nversion: x\ninputs: { paths: [a] }\nval: { source: b }\nmax_gmac: 1\n');
  fails(4, /max_gmac: no such key[\s\S]*max_gmacs/, '--recipe', at('bad.yaml'));
  mkdirSync(at('empty'));
  fails(3, /./, at('empty'), ...VAL);
});
