import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Dataset, openDataset } from '../../../../src/data/index.ts';
import { kindRows } from '../../../../src/distill/run/decide-kinds.ts';
import { evaluate } from '../../../../src/index.ts';
import { makeTargets } from '../../../../src/targets.ts';
import { idxBytes } from '../../../support/dataset-files.ts';
import { floats, makeModel } from '../../../support/small-models.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const table = (keys: readonly string[]): Pick<Dataset, 'sample'> => ({
  sample: (row) => ({ key: keys[row] as string }),
});
const COUNT = 1100;
const keys = Array.from({ length: COUNT }, (_, i) => String(i).padStart(8, '0'));
const rows = Uint32Array.from(keys, (_, i) => i);

test('which images tell the kind depends on their keys, not on their order; few enough tell it all together', () => {
  const forward = kindRows(table(keys), rows, 100);
  const backward = kindRows(table(keys.toReversed()), rows, 100);
  assert.equal(forward.length, 100);
  assert.deepEqual(
    [...forward],
    [...forward].sort((a, b) => a - b),
  );
  assert.deepEqual(
    [...backward].map((row) => COUNT - 1 - row).sort((a, b) => a - b),
    [...forward],
  );
  assert.deepEqual(kindRows(table(keys), rows.subarray(0, 100), 100), rows.subarray(0, 100));
});

test('an image that contradicts the kind of the others is an error with a remedy, and never taken for what it is not', async () => {
  const folder = tempFolder();
  // y = 1.25 x / 255 of two pixels: in 0..1 but for the one white picture, which is none of those that tell the kind.
  const [source, labels] = [join(folder, 'x-images-idx3-ubyte'), join(folder, 'x-labels-idx1-ubyte')];
  const pixels = Uint8Array.from({ length: 2 * COUNT }, (_, i) => (i * 37) % 200);
  writeFileSync(source, idxBytes([COUNT, 1, 2], pixels));
  const dataset = await openDataset(source);
  const known = new Set(kindRows(dataset, rows));
  const white = rows.findIndex((row) => !known.has(row));
  const { key } = dataset.sample(white);
  pixels.fill(255, 2 * white, 2 * white + 2);
  writeFileSync(source, idxBytes([COUNT, 1, 2], pixels));
  writeFileSync(labels, idxBytes([COUNT], new Uint8Array(COUNT)));
  const model = join(folder, 'silent.onnx');
  writeFileSync(
    model,
    makeModel({
      inputs: [['x', 'FLOAT', ['N', 1, 1, 2]]],
      outputs: [['y', 'FLOAT', ['N', 2]]],
      nodes: [
        ['Mul', ['x', 's'], ['m']],
        ['Flatten', ['m'], ['f'], { axis: 1 }],
        ['Concat', ['f'], ['y'], { axis: 1 }],
      ],
      initializers: [floats('s', [], [1.25])],
    }),
  );
  const how = { device: 'cpu', threads: 1, workers: 1, transform: { preset: 'none' } } as const;
  const data = { source, labels };
  const { models } = await evaluate({ ...how, models: [model], data });
  assert.equal(models[0]?.fields.outputs, 'logits');
  const make = (out: string, outputs?: 'logits') =>
    makeTargets({ ...how, teachers: [model], data, out: join(folder, out), outputs });
  await assert.rejects(make('auto'), {
    code: 'EXECUTION_OUTPUT',
    message: new RegExp(`${key}: the outputs are not sigmoid scores`),
    hint: /`outputs` logits/,
  });
  assert.equal((await make('said', 'logits')).teachers[0]?.nll, models[0]?.metrics.nll);
});
