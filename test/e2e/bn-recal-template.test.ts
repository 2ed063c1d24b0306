import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'csv-parse/sync';
import { FASHION } from '../support/fashion.ts';
import { avgCkpt, BN_RECAL, type CliResult, runProgram } from '../support/run-cli.ts';
import { evalJson, ON_CPU } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();
const bnRecal = (...args: readonly string[]): CliResult => runProgram(BN_RECAL, args);
const IMAGES = ['--data', join(FASHION, 'train-2k-images-idx3-ubyte.gz'), '--rows', '0:96', '--batch', '32'] as const;
const SHOWN = ['--preset', 'none', '--size', '16', '--mean', '0.286', '--std', '0.353'] as const;
const TEST = [
  ...['--data', join(FASHION, 'test-20px-images-idx3-ubyte.gz'), '--rows', '0:100'],
  ...['--labels', join(FASHION, 'test-labels-idx1-ubyte.gz')],
] as const;

/** A run of two epochs, and both exports of the newer one: dynamo folds the layer behind Linear too, the older exporter does not. */
function run(name: string): {
  readonly folder: string;
  readonly average: string;
  readonly template: readonly string[];
} {
  const folder = join(root, name);
  mkdirSync(folder);
  const fixture = join('fixtures/exports/mobile');
  for (const file of ['epoch_0.safetensors', 'epoch_1.safetensors', 'dynamo.onnx', 'legacy.onnx'])
    copyFileSync(join(fixture, file), join(folder, file));
  const average = join(folder, 'swa.safetensors');
  const epochs = [0, 1].map((epoch) => join(folder, `epoch_${epoch}.safetensors`));
  assert.equal(avgCkpt(...epochs, '--out', average).status, 0);
  return { folder, average, template: ['--template-of', join(folder, 'epoch_1.safetensors'), '--template'] };
}

interface Printed {
  readonly layers: readonly Readonly<Record<string, string | number>>[];
  readonly output: { readonly path: string } | null;
}

test('an average of checkpoints is recalibrated through an export that folded its layers as through one that keeps one of them', () => {
  const { folder, average, template } = run('both');
  const [a, b] = ['dynamo', 'legacy'].map((exporter) => {
    const [out, csv, report] = ['onnx', 'csv', 'html'].map((ending) => join(folder, `${exporter}-bn.${ending}`));
    const written = ['--out', out!, '--csv', csv!, '--report', report!, '--json', '--quiet'] as const;
    const ran = bnRecal(
      average,
      ...template,
      join(folder, `${exporter}.onnx`),
      ...IMAGES,
      ...SHOWN,
      ...written,
      ...ON_CPU,
    );
    assert.equal(ran.status, 0, ran.stderr + ran.stdout);
    const { layers } = JSON.parse(ran.stdout) as Printed;
    const rows = parse<Record<string, string>>(readFileSync(csv!, 'utf8'), { columns: true });
    assert.deepEqual(
      rows.map(({ layer, model }) => [layer, model]),
      layers.map(({ layer }) => [layer, 'swa.safetensors']),
    );
    assert.match(readFileSync(report!, 'utf8'), /swa\.safetensors recalibrated.*template_file/s);
    return { out: out!, layers: new Map(layers.map((layer) => [layer.layer, layer])) };
  });
  assert.deepEqual([...a!.layers.keys()], ['b0', 'b1', 'b2', 'b3', 'b4']);
  for (const [name, layer] of a!.layers) {
    const [own, other] = [layer, b!.layers.get(name)!].map(({ variance_max_after: value }) => Number(value)) as [
      number,
      number,
    ];
    assert.ok(Math.abs(own / other - 1) < 2e-6, `${name}: ${own}, ${other}`);
  }
  const { models } = evalJson([a!.out, b!.out, ...TEST, ...SHOWN]);
  assert.equal(models[0]?.top1, models[1]?.top1);
});

test('the layers of a checkpoint in a template are listed by their modules, and those that had none are not taken for any', () => {
  const { folder, average, template } = run('listed');
  const ran = bnRecal(average, ...template, join(folder, 'dynamo.onnx'), '--dry-run', '--json', '--quiet');
  assert.equal(ran.status, 0, ran.stderr);
  const { candidates } = JSON.parse(ran.stdout) as {
    candidates: readonly { name: string; chosen: boolean; reason: string }[];
  };
  assert.deepEqual(
    candidates.filter(({ chosen }) => chosen).map(({ name }) => name),
    ['b0', 'b1', 'b2', 'b3', 'b4'],
  );
  assert.ok(candidates.every(({ reason }) => /by the map of the template/.test(reason)));
});

test('a checkpoint alone, options of checkpoints for a model, and another template are refused with the remedy, and nothing is written', () => {
  const { folder, average, template } = run('refused');
  const out = join(folder, 'out.onnx');
  const fails = (status: number, pattern: RegExp, ...args: readonly string[]): void => {
    const ran = bnRecal(...args, ...IMAGES, ...SHOWN, '--out', out, '--quiet');
    assert.equal(ran.status, status, ran.stderr);
    assert.match(ran.stderr, pattern);
    assert.equal(existsSync(out), false);
  };
  const model = join(folder, 'legacy.onnx');
  fails(2, /cannot be run without a graph.*\n.*--template model\.onnx/, average);
  fails(2, /--state is for training checkpoints/, model, '--state', 'ema');
  fails(6, /--template-of/, join(folder, 'epoch_0.safetensors'), '--template', model);
  fails(6, /do not follow from/, average, ...template, 'fixtures/exports/dense/dynamo.onnx');
  fails(2, /--layers nothing: fits no layer; there are b4, b0/, average, ...template, model, '--layers', 'nothing');
});
