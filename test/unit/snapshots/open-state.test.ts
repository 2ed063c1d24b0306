import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ErrorCode } from '../../../src/core/index.ts';
import { openState, type StateTable } from '../../../src/snapshots/index.ts';
import { assertFails } from '../../support/assert-fails.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const FIXTURES = 'fixtures/trainer';
const root = tempFolder();

interface Expected {
  readonly states: Readonly<Record<string, Readonly<Record<string, { type: string; dims: number[]; sha256: string }>>>>;
  readonly prefix?: string;
  readonly epoch?: number;
  readonly step?: number;
  readonly metric?: { readonly name: string; readonly value: number };
}

const { files } = JSON.parse(readFileSync(join(FIXTURES, 'expected.json'), 'utf8')) as {
  files: Readonly<Record<string, Expected>>;
};

/** Type, dims and hash of every tensor, read in pieces that end inside of elements. */
function contentOf({ tensors }: StateTable, piece: number): Record<string, unknown> {
  return Object.fromEntries(
    [...tensors].map(([name, tensor]) => {
      assert.equal(tensor.name, name);
      const cursor = tensor.open();
      const hash = createHash('sha256');
      for (let done = 0; done < cursor.byteLength; done += piece) {
        const bytes = new Uint8Array(Math.min(piece, cursor.byteLength - done));
        cursor.read(bytes);
        hash.update(bytes);
      }
      return [name, { type: tensor.type, dims: tensor.dims, sha256: hash.digest('hex') }];
    }),
  );
}

function opened<T>(path: string, state: string, use: (table: StateTable) => T): T {
  const table = openState(path, { state });
  try {
    return use(table);
  } finally {
    table.close();
  }
}

for (const [file, { states, ...facts }] of Object.entries(files)) {
  test(`${file}: names, types and values are those that torch reads`, () => {
    for (const [state, tensors] of Object.entries(states)) {
      opened(join(FIXTURES, file), state, (table) => {
        assert.deepEqual(contentOf(table, 1 << 20), tensors, state);
        assert.deepEqual(contentOf(table, 7), tensors, state);
        assert.deepEqual([...table.tensors.keys()].toSorted(), Object.keys(tensors).toSorted());
      });
    }
    opened(join(FIXTURES, file), 'auto', ({ epoch, step, metric, state }) => {
      assert.deepEqual({ epoch, step, metric }, { epoch: facts.epoch, step: facts.step, metric: facts.metric });
      if (facts.prefix) assert.equal(state.prefix, facts.prefix);
    });
  });
}

test('what was taken is said, and what else there was', () => {
  const taken = (file: string, state = 'auto') => opened(join(FIXTURES, file), state, (table) => table.state);
  assert.deepEqual(taken('timm.pth.tar'), { taken: 'state_dict_ema', candidates: ['state_dict', 'state_dict_ema'] });
  assert.deepEqual(taken('timm.pth.tar', 'model').taken, 'state_dict');
  assert.deepEqual(taken('lightning.ckpt'), { taken: 'state_dict', candidates: ['state_dict', 'current_model_state'] });
  assert.deepEqual(taken('lightning.ckpt', 'raw').taken, 'current_model_state');
  assert.deepEqual(taken('plain.pth'), { taken: 'file', candidates: ['file'] });
  assert.deepEqual(taken('ema-pytorch.pt').taken, 'ema.ema_model');
});

test('a set of weights that is not there is refused with those that are', () => {
  const error = assertFails(() => openState(join(FIXTURES, 'timm.pth.tar'), { state: 'teacher' }), 'USAGE');
  assert.match(error.message, /state_dict \(model\), state_dict_ema \(ema\)/);
  assertFails(() => openState(join(FIXTURES, 'plain.pth'), { state: 'ema' }), 'USAGE');
});

const REFUSED: readonly (readonly [file: string, code: ErrorCode, message: RegExp])[] = [
  ['quantized.pth', 'UNSUPPORTED_QUANTIZED', /"fc.weight" is a quantized tensor/],
  ['sparse.pth', 'UNSUPPORTED_DATA_TYPE', /"fc.weight" is a sparse tensor/],
  ['csr.pth', 'UNSUPPORTED_DATA_TYPE', /"fc.weight" is a sparse tensor/],
  ['complex.pth', 'UNSUPPORTED_DATA_TYPE', /"fc.weight" is of type ComplexFloatStorage/],
  ['float8.pth', 'UNSUPPORTED_DATA_TYPE', /"fc.weight" is of type torch.float8_e4m3fn/],
  ['numpy.pth', 'UNSUPPORTED_FORMAT', /"fc.weight" is hidden in numpy/],
  ['nested.pth', 'UNSUPPORTED_FORMAT', /"fc.weight" is hidden in a container/],
  ['meta.pth', 'UNSUPPORTED_DATA_TYPE', /"fc.weight" is a tensor on the meta device/],
  ['torchscript.pt', 'UNSUPPORTED_FORMAT', /TorchScript/],
  ['pickle.pkl', 'UNSUPPORTED_FORMAT', /a pickle that torch.save did not write/],
];
for (const [file, code, message] of REFUSED) {
  test(`refused/${file}: the weight is named`, () => {
    assert.match(assertFails(() => openState(join(FIXTURES, 'refused', file)), code).message, message);
  });
}

test('other files are told by what they are', () => {
  assert.match(
    assertFails(() => openState('fixtures/fashion/checkpoints/epoch_14.onnx'), 'FORMAT_MALFORMED').message,
    /is an ONNX model; expected a training checkpoint/,
  );
  const empty = join(root, 'empty.pth');
  writeFileSync(empty, '');
  assert.match(assertFails(() => openState(empty), 'FORMAT_MALFORMED').message, /is empty/);
  assertFails(() => openState(join(root, 'none.pth')), 'INPUT_NOT_FOUND');
  mkdirSync(join(root, 'nothing'));
  assertFails(() => openState(join(root, 'nothing')), 'INPUT_NOT_FOUND');
});

test('shards that are not those of the index, or lie elsewhere, are refused', () => {
  const folder = join(root, 'sharded');
  cpSync(join(FIXTURES, 'hf/checkpoint-1000'), folder, { recursive: true });
  const index = join(folder, 'model.safetensors.index.json');
  const map = JSON.parse(readFileSync(index, 'utf8')) as { weight_map: Record<string, string> };
  const [first, second] = [...new Set(Object.values(map.weight_map))] as [string, string];
  const withMap = (weight_map: unknown): void => writeFileSync(index, JSON.stringify({ weight_map }));

  for (const outside of ['../sharded/x.safetensors', '/etc/passwd', 'a/b', '..', 'C:x', 'x\\y', 'z\0']) {
    withMap({ ...map.weight_map, 'bn.bias': outside });
    assertFails(() => openState(folder), 'FORMAT_EXTERNAL_DATA');
  }
  withMap({ ...map.weight_map, 'bn.bias': second === map.weight_map['bn.bias'] ? first : second });
  assert.match(assertFails(() => openState(folder), 'FORMAT_MALFORMED').message, /"bn.bias"/);
  withMap({ ...map.weight_map, more: first });
  assert.match(assertFails(() => openState(folder), 'FORMAT_MALFORMED').message, /lacks "more"/);
  withMap({ ...map.weight_map, more: 'missing.safetensors' });
  assertFails(() => openState(folder), 'INPUT_NOT_FOUND');
  for (const broken of [[], 'x', { a: 1 }, {}]) {
    withMap(broken);
    assertFails(() => openState(folder), 'FORMAT_MALFORMED');
  }
  writeFileSync(index, '{');
  assertFails(() => openState(folder), 'FORMAT_MALFORMED');
});

test('a file that changes while it is read is noticed', () => {
  const path = join(root, 'changing.pth');
  copyFileSync(join(FIXTURES, 'plain.pth'), path);
  opened(path, 'auto', (table) => {
    table.assertUnchanged();
    writeFileSync(path, 'x');
    assertFails(() => table.assertUnchanged(), 'INPUT_CHANGED');
  });
});
