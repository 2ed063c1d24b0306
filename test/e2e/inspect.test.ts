/** onnx-temper inspect as it is called. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import sharp from 'sharp';
import { writeTree } from '../support/dataset-files.ts';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { node, tensor, valueInfo, writeModel } from '../support/model-builder.ts';
import { withExternalData } from '../support/model-variants.ts';
import { type CliResult, ONNX_TEMPER, runProgram } from '../support/run-cli.ts';
import { DATA, TRANSFORM } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();
const [SNAPSHOT = ''] = SNAPSHOTS;
const inspect = (...args: readonly string[]): CliResult => runProgram(ONNX_TEMPER, ['inspect', ...args], root);

interface Printed {
  readonly files: readonly {
    readonly file: string;
    readonly kind: string;
    readonly facts: Readonly<Record<string, { readonly value: unknown; readonly source: string }>>;
    readonly contradictions: readonly { readonly message: string; readonly hint: string | null }[];
    readonly error: { readonly code: string } | null;
  }[];
}
function printed(args: readonly string[], status: number): Printed {
  const result = inspect(...args, '--json');
  assert.equal(result.status, status, result.stderr);
  assert.equal(result.stderr, '');
  return JSON.parse(result.stdout) as Printed;
}

let image: Uint8Array;
before(async () => {
  image = await sharp({ create: { width: 28, height: 28, channels: 3, background: '#456' } })
    .png()
    .toBuffer();
});

test('a model in a few lines, facts and sources', () => {
  const { status, stdout } = inspect(SNAPSHOT);
  assert.equal(status, 0);
  assert.match(stdout, /epoch_14\.onnx is an ONNX model, \d+ kB\n/);
  assert.match(stdout, /\n {2}output_kind logits {2}\[the graph \(Gemm\)\]\n/);
  assert.match(
    stdout,
    /\n {2}input_type float32; layout NCHW; channels 1; size any; batch any {2}\[the graph's input, \[N,1,H,W\]\]\n/,
  );
  assert.match(stdout, /\n {2}parameters 78,330; /);
  assert.ok(stdout.split('\n').length < 20);
});

test('options are named as the command line has them, in text and JSON', () => {
  const { stdout } = inspect(SNAPSHOT, ...DATA, ...TRANSFORM, '--size', '20');
  assert.match(stdout, /\[--preset, --size, --mean, --std, /);
  assert.doesNotMatch(stdout, /`/);
  const { files } = printed([SNAPSHOT, ...DATA, '--preset', 'none', '--size', '20'], 0);
  assert.match(files[0]?.facts.transform?.source ?? '', /^--preset, --size/);
});

test('all files are shown, whatever one of them is; the exit code is the highest', () => {
  writeFileSync(join(root, 'broken.onnx'), Buffer.from('\x08\x08\x12\xff\xff\xff\xff\xff', 'latin1'));
  const { files } = printed(['absent', 'broken.onnx', SNAPSHOT], 4);
  assert.deepEqual(
    files.map(({ error }) => error?.code ?? null),
    ['INPUT_NOT_FOUND', 'FORMAT_MALFORMED', null],
  );
  assert.match(inspect('broken.onnx', SNAPSHOT).stdout, /error: .*broken\.onnx[\s\S]*is an ONNX model/);
});

test('data that does not fit: exit 1, both sources, and the words to use', () => {
  const classes = (folder: string, count: number): string =>
    writeTree(root, Object.fromEntries(Array.from({ length: count }, (_, i) => [`${folder}/k${i}/1.png`, image])));
  classes('val', 10);
  const fits = printed([SNAPSHOT, '--data', 'val', '--preset', 'none', '--size', '28'], 0);
  assert.equal(fits.files[0]?.facts.pictures_fit?.value, 'yes');
  classes('few', 9);
  const { files } = printed([SNAPSHOT, '--data', 'few'], 1);
  assert.match(files[0]?.contradictions[0]?.message ?? '', /few: 9 class names .* but the model has 10 classes/);
  assert.match(files[0]?.contradictions[0]?.hint ?? '', /--classes FILE/);
});

test('inputs of the trials are told: dims of 0, links of a cache, pointers, lists, bombs', () => {
  const zero = writeModel(join(root, 'zero.onnx'), {
    nodes: [node('Flatten', ['x'], ['f']), node('MatMul', ['f', 'w'], ['y'])],
    initializers: [tensor({ name: 'w', dims: [48, 2], values: new Array<number>(96).fill(1) })],
    inputs: [valueInfo('x', [0, 3, 4, 4])],
    outputs: [valueInfo('y', [0, 2])],
  });
  assert.equal(printed([zero], 0).files[0]?.facts.batch?.value, 'any');

  for (const folder of ['blobs', 'cache']) mkdirSync(join(root, folder));
  withExternalData(join(root, 'blobs'));
  for (const name of readdirSync(join(root, 'blobs')))
    symlinkSync(join('..', 'blobs', name), join(root, 'cache', name));
  const [model = ''] = readdirSync(join(root, 'cache')).filter((name) => name.endsWith('.onnx'));
  assert.match(String(printed([join('cache', model)], 0).files[0]?.facts.external_data?.value), /bytes$/);

  writeTree(root, { 'list/a.png': image, 'list/b.png': image, 'list/val.txt': 'a.png 0\nb.png 1\n' });
  assert.equal(printed(['list/val.txt'], 0).files[0]?.facts.n_images?.value, 2);

  copyFileSync(join(FASHION, '..', 'images', 'bomb.png'), join(root, 'bomb.png'));
  assert.match(String(printed(['bomb.png'], 0).files[0]?.facts.picture_size?.value), /\d{4,}/);
});

test('without a file, usage; help tells what it is', () => {
  assert.equal(inspect().status, 2);
  const { status, stdout } = inspect('--help');
  assert.equal(status, 0);
  assert.match(stdout, /--data.*[\s\S]*Exit codes: 1 two sources contradict/);
});
