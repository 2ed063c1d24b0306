/** The map from checkpoints into exports, against what torch's exporters make of the averaged state dict. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openModel } from '../../src/onnx/index.ts';
import { openState, type StateTable } from '../../src/snapshots/index.ts';
import { mappedBytes } from '../../src/snapshots/map/apply-map.ts';
import { proveMap } from '../../src/snapshots/map/prove-map.ts';
import { stateFloats } from '../../src/snapshots/map/state-values.ts';
import { templateTensors, templateValues } from '../../src/snapshots/map/template-tensors.ts';

const FIXTURES = 'fixtures/exports';
const NETWORKS = readdirSync(FIXTURES, { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? [entry.name] : [],
);

function meanOf(tables: readonly StateTable[], key: string): Float32Array {
  const [a, b] = tables.map((table) => stateFloats(table, key)) as [Float32Array, Float32Array];
  return a.map((value, i) => (value + (b[i] as number)) / 2);
}

/** Tensors whose every value is what torch exports, and the largest difference of the others, relative to the tensor's largest value. */
function compared(network: string, way: string): { exact: number; all: number; worst: number } {
  const folder = join(FIXTURES, network);
  const template = openModel(join(folder, `${way}.onnx`));
  const expected = openModel(join(folder, `${way}-mean.onnx`));
  const tables = [0, 1].map((epoch) => openState(join(folder, `epoch_${epoch}.safetensors`), {}));
  try {
    const map = proveMap(template, [() => tables], tables);
    assert.equal(map.reference, tables[1]);
    const wanted = templateTensors(expected);
    assert.deepEqual(
      map.entries.map(({ tensor }) => tensor.dims),
      wanted.map(({ dims }) => dims),
    );
    let [exact, worst] = [0, 0];
    map.entries.forEach((entry, i) => {
      const found = new Float32Array(mappedBytes(template, entry, (key) => meanOf(tables, key)).buffer);
      const torch = templateValues(expected, wanted[i]!);
      let [difference, largest] = [0, 0];
      for (const [k, value] of torch.entries()) {
        difference = Math.max(difference, Math.abs(value - found[k]!));
        largest = Math.max(largest, Math.abs(value));
      }
      if (difference === 0) exact++;
      else worst = Math.max(worst, difference / largest);
    });
    return { exact, all: map.entries.length, worst };
  } finally {
    for (const file of [template, expected, ...tables]) file.close();
  }
}

/** Standardised and normalised weights, an exponential: torch and numpy sum and round in ways of their own. */
const ROUNDED: Readonly<Record<string, number>> = { standard: 3, swin: 1, transposed: 2 };

for (const network of NETWORKS) {
  test(`averages of ${network} are what the exporter of torch 2.13 makes of the averaged state dict, to the bit`, () => {
    const { exact, all, worst } = compared(network, 'dynamo');
    assert.ok(all - exact <= (ROUNDED[network] ?? 0), `${all - exact} differ`);
    assert.ok(worst < 5e-7, `${worst}`);
  });

  test(`averages of ${network} are what the legacy exporter makes of the averaged state dict, within the rounding of its folds`, () => {
    const { worst } = compared(network, 'legacy');
    assert.ok(worst < 5e-7, `${worst}`);
  });
}
