import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from '../../../src/inspect/index.ts';
import { ONNX_TEMPER, runProgram } from '../../support/run-cli.ts';

const MOBILE = 'fixtures/exports/mobile';
const at = (name: string): string => join(MOBILE, name);

test('a checkpoint with a template shows what every tensor of it follows from, and how well', async () => {
  const { files, exitCode } = await inspect({ files: [at('epoch_1.safetensors')], template: at('dynamo.onnx') });
  const [file] = files;
  assert.equal(exitCode, 0);
  assert.equal(file?.kind, 'safetensors');
  assert.match(
    file?.map.find(({ tensor }) => tensor === 'stem.weight')?.expression ?? '',
    /b0\.weight \/ √\(b0\.running_var/,
  );
  assert.ok(file?.map.every(({ exact }) => exact));
  assert.equal(file?.facts.proof?.value, 'every tensor to the bit');
  assert.match(String(file?.facts.mapped_tensors?.value), /5 folded weight/);
});

test('what does not follow is a contradiction that names the tensor; the checkpoint that was exported may be named', async () => {
  const other = { files: [at('epoch_0.safetensors')], template: at('dynamo.onnx') };
  const { files, exitCode } = await inspect(other);
  assert.equal(exitCode, 1);
  assert.deepEqual(files[0]?.map, []);
  assert.equal(files[0]?.contradictions[0]?.code, 'MISMATCH_TENSOR');
  assert.match(files[0]?.contradictions[0]?.message ?? '', /tensors do not follow from/);
  const named = await inspect({ ...other, templateOf: at('epoch_1.safetensors') });
  assert.equal(named.exitCode, 0);
  assert.match(named.files[0]?.facts.proof?.source ?? '', /epoch_1/);
});

test('a template without a checkpoint, and options of maps without a template, are refused', async () => {
  await assert.rejects(inspect({ files: [at('dynamo.onnx')], template: at('legacy.onnx') }), { code: 'USAGE' });
  await assert.rejects(inspect({ files: [at('epoch_0.safetensors')], state: 'ema' }), {
    code: 'USAGE',
    message: /`state`/,
  });
});

test('the command prints the map as a table, and as JSON', () => {
  const args = ['inspect', at('epoch_1.safetensors'), '--template', at('dynamo.onnx')];
  const { status, stdout } = runProgram(ONNX_TEMPER, args);
  assert.equal(status, 0);
  assert.match(stdout, /tensor of the template.*from the state dict.*b0\.weight \/ √\(b0\.running_var .* exact/s);
  const { files } = JSON.parse(runProgram(ONNX_TEMPER, [...args, '--json']).stdout) as {
    files: { map: { tensor: string }[] }[];
  };
  assert.ok(files[0]!.map.length > 10);
});
