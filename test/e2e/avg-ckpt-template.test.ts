import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FASHION } from '../support/fashion.ts';
import { avgCkpt } from '../support/run-cli.ts';
import { evalJson } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();
const EXPORTS = 'fixtures/exports';
const DATA = [
  ...['--data', join(FASHION, 'test-20px-images-idx3-ubyte.gz'), '--rows', '0:100'],
  ...['--labels', join(FASHION, 'test-labels-idx1-ubyte.gz'), '--preset', 'none', '--size', '16'],
] as const;

let runs = 0;
/** A run of two epochs, and the export of its last. */
function run(network = 'mobile', exporter = 'dynamo'): string {
  const folder = join(root, String(runs++));
  mkdirSync(folder);
  for (const epoch of [0, 1])
    copyFileSync(join(EXPORTS, network, `epoch_${epoch}.safetensors`), join(folder, `epoch_${epoch}.safetensors`));
  copyFileSync(join(EXPORTS, network, `${exporter}.onnx`), join(folder, 'last.onnx'));
  return folder;
}

/** A failure with --json; the output must not be there, nor anything beside it. */
function fails(status: number, code: string, pattern: RegExp, args: readonly string[]): void {
  const folder = join(root, `failed ${runs++}`);
  mkdirSync(folder);
  const ran = avgCkpt(...args, '--out', join(folder, 'swa.onnx'), '--json', '--quiet');
  assert.equal(ran.status, status, ran.stderr);
  const { error } = JSON.parse(ran.stdout) as { error: { code: string; message: string; hint: string | null } };
  assert.equal(error.code, code, error.message);
  assert.match(`${error.message} ${error.hint}`, pattern);
  assert.deepEqual(readdirSync(folder), [], 'nothing is written');
}

test('a folder of checkpoints with one export of the last becomes averages that score as their exports, and verify', () => {
  for (const network of ['mobile', 'dense']) {
    const folder = run(network);
    const outDir = join(folder, 'averages');
    const template = join(folder, 'last.onnx');
    const ran = avgCkpt(folder, '--state', 'model', '--last', '1,2', '--template', template, '--out-dir', outDir);
    assert.equal(ran.status, 0, ran.stderr);
    const [last, uniform] = [join(outDir, 'uniform_last1.onnx'), join(outDir, 'uniform_last2.onnx')];
    const exported = [template, join(EXPORTS, network, 'dynamo-mean.onnx')];
    const { models } = evalJson([last, uniform, ...exported, ...DATA]);
    const scores = models.map(({ top1, nll }) => ({ top1, nll }));
    assert.deepEqual(scores.slice(0, 2), scores.slice(2));
    assert.notDeepEqual(scores[0], scores[1]);
    for (const path of [last, uniform]) {
      const verified = avgCkpt('verify', path, '--inputs', folder);
      assert.equal(verified.status, 0, verified.stdout + verified.stderr);
    }
    const checkpoint = join(folder, 'epoch_0.safetensors');
    const bytes = readFileSync(checkpoint);
    bytes[bytes.length - 2]! ^= 1;
    writeFileSync(checkpoint, bytes);
    assert.equal(avgCkpt('verify', uniform, '--inputs', folder).status, 1, 'another checkpoint is found');
  }
});

test('a template of another network, or of none of the checkpoints, is refused by its tensors, and nothing is written', () => {
  const folder = run();
  fails(6, 'MISMATCH_TENSOR', /is no export of any of 2 state dicts; .* is nearest to .*--template-of/, [
    folder,
    ...['--template', join(EXPORTS, 'dense', 'dynamo.onnx')],
  ]);
  fails(6, 'MISMATCH_TENSOR', /tensors do not follow from .*--template-of/, [
    join(folder, 'epoch_0.safetensors'),
    ...['--template', join(folder, 'last.onnx')],
  ]);
  fails(6, 'MISMATCH_TENSOR', /tensors do not follow from .*--template-of/, [
    folder,
    ...['--template', join(folder, 'last.onnx'), '--template-of', join(folder, 'epoch_0.safetensors')],
  ]);
});

test('checkpoints that are cut off or of another network are refused before anything is written', () => {
  const folder = run();
  const template = ['--template', join(folder, 'last.onnx')] as const;
  const whole = readFileSync('fixtures/trainer/run/checkpoint-2.pth.tar');
  for (const [name, bytes] of [
    ['epoch_2.pth.tar', whole.subarray(0, 4000)],
    ['epoch_2.safetensors', readFileSync(join(folder, 'epoch_0.safetensors')).subarray(0, 5000)],
  ] as const) {
    const cut = join(root, `${runs++} ${name}`);
    writeFileSync(cut, bytes);
    fails(4, 'FORMAT_TRUNCATED', /./, [folder, cut, ...template]);
  }
  fails(6, 'MISMATCH_TENSOR', /does not fit .*missing: /, [
    folder,
    'fixtures/trainer/run/checkpoint-2.pth.tar',
    ...template,
  ]);
  fails(6, 'MISMATCH_INPUT', /BatchNormalization was folded into its .* not back/, [
    folder,
    join(EXPORTS, 'mobile', 'dynamo-mean.onnx'),
    ...template,
  ]);
  const cutTemplate = join(root, 'cut.onnx');
  writeFileSync(cutTemplate, readFileSync(join(folder, 'last.onnx')).subarray(0, 3000));
  fails(4, 'FORMAT_MALFORMED', /cut\.onnx/, [folder, '--template', cutTemplate]);
});

test('flags that do not go together are refused with the remedy', () => {
  const folder = run();
  const template = ['--template', join(folder, 'last.onnx')] as const;
  const refused = (pattern: RegExp, ...args: readonly string[]): void => {
    const ran = avgCkpt(...args, '--quiet');
    assert.equal(ran.status, 2, ran.stderr);
    assert.match(ran.stderr, pattern);
  };
  refused(/swa\.onnx/, folder, ...template, '--out', join(folder, 'swa.safetensors'));
  refused(/--template model\.onnx/, folder, '--pattern', '*.safetensors', '--out', join(folder, 'swa.onnx'));
  refused(/for training checkpoints/, join(folder, 'last.onnx'), '--state', 'ema', '--out', join(folder, 'swa.onnx'));
  assert.equal(existsSync(join(folder, 'swa.onnx')), false);
});
