import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readRecord } from '../../../src/average/record.ts';
import { version } from '../../../src/core/index.ts';
import { average, averageEach, withSnapshots } from '../../support/average.ts';
import { SNAPSHOTS } from '../../support/fashion.ts';
import { decodeModel, floatsOf, type TestTensor, weightsModel, writeModel } from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder();
const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

test('the record names version, method, divisor, and every input by base name, hash, step and coefficient', async () => {
  const out = join(folder, 'out.onnx');
  await average(SNAPSHOTS.slice(0, 3), out, { plan: { decay: [0.5] } });
  const entry = decodeModel(out).metadataProps?.at(-1);
  assert.equal(entry?.key, 'onnx_temper.1');
  const record = JSON.parse(entry?.value ?? '') as Record<string, unknown>;
  assert.deepEqual(record, {
    tool: 'onnx-temper',
    version,
    command: 'avg-ckpt',
    average: 'ema_0.5',
    divisor: record.divisor,
    template: 2,
    bn: 'average',
    on_int_mismatch: 'error',
    match: 'auto',
    dtype: null,
    allow_nonfinite: false,
    inputs: [14, 15, 16].map((step, i) => ({
      file: `epoch_${step}.onnx`,
      sha256: sha256(SNAPSHOTS[i]!),
      step,
      coefficient: (record.inputs as { coefficient: number }[])[i]!.coefficient,
    })),
  });
  assert.ok(!readFileSync(out).includes(folder), 'no path is recorded');
});

test('the recorded coefficients make the average: Σ coefficient · x / divisor', async () => {
  const out = join(folder, 'sum.onnx');
  const of = (k: number): TestTensor[] => [{ name: 'w', dims: [2], values: [k, k * k] }];
  const values = [1, 3, 7];
  const paths = values.map((k) => writeModel(join(folder, `epoch_${k}.onnx`), weightsModel(of(k))));
  await average(paths, out, { plan: { decay: [0.7] } });
  const { record } = await withSnapshots([out], ([model]) => readRecord(model!));
  const sum = record.inputs.reduce((total, { coefficient }, i) => total + coefficient * values[i]!, 0);
  assert.equal(floatsOf(out, 'w')[0], Math.fround(sum / record.divisor));
});

test('an input without weight is not recorded, unless its bytes are the template', async () => {
  const of = (name: string, k: number, ...more: TestTensor[]): string =>
    writeModel(join(folder, name), weightsModel([{ name: 'w', dims: [2], values: [k, k] }, ...more]));
  const paths = [of('a_1.onnx', 1), of('a_2.onnx', 2), of('a_3.onnx', 3)];
  const recorded = async (out: string): Promise<[number, string[]]> => {
    const { record } = await withSnapshots([out], ([model]) => readRecord(model!));
    return [record.template, record.inputs.map(({ file, coefficient }) => `${file} ${coefficient}`)];
  };
  const outs = [join(folder, 'f.onnx'), join(folder, 'l.onnx')];
  await averageEach(paths, outs, { plan: { first: [1, 2] } });
  assert.deepEqual(await recorded(outs[0]!), [1, ['a_1.onnx 1', 'a_2.onnx 0']]);
  await average(paths, join(folder, 'w.onnx'), { plan: { weights: [0, 1, 1] } });
  assert.deepEqual(await recorded(join(folder, 'w.onnx')), [1, ['a_2.onnx 1', 'a_3.onnx 1']]);
});
