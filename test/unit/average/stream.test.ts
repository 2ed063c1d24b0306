import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { average, averageEach } from '../../support/average.ts';
import { expectFailure } from '../../support/expect-failure.ts';
import { SNAPSHOTS } from '../../support/fashion.ts';
import {
  bits16,
  floatsOf,
  node,
  rawBytes,
  rawOf,
  type TestTensor,
  type TestType,
  tensor,
  value16,
  valueInfo,
  weightsModel,
  writeModel,
} from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder();
let files = 0;
const fresh = (): string => join(folder, `m${files++}.onnx`);

function snapshot(...tensors: TestTensor[]): string {
  return writeModel(fresh(), weightsModel(tensors));
}

const bytesOf = (type: 'u32' | 'u16', ...words: number[]): Uint8Array =>
  new Uint8Array((type === 'u32' ? Uint32Array : Uint16Array).from(words).buffer);

/** Writes one snapshot per list, averages, and gives the raw bytes of `w`. */
async function averaged(type: TestType, lists: readonly (readonly number[])[], weights?: number[]): Promise<Buffer> {
  const paths = lists.map((values) => snapshot({ name: 'w', dims: [values.length], values, type }));
  const out = fresh();
  await average(paths, out, { plan: weights ? { weights } : {} });
  return rawOf(out, 'w');
}

test('one snapshot averages to itself bit for bit: -0, denormals, infinities and NaN payloads included', async () => {
  const float = bytesOf(
    'u32',
    0x80000000,
    0x00000001,
    0x7f800000,
    0xff800000,
    0x7fc12345,
    0x7f812345,
    0xffc00001,
    0x3f800001,
  );
  const half = bytesOf('u16', 0x8000, 0x0001, 0x7c00, 0xfc00, 0x7e05, 0x7d05, 0xfe01, 0x3c01);
  const tensors: TestTensor[] = [
    { name: 'f', dims: [8], values: [], raw: float },
    { name: 'h', dims: [8], values: [], raw: half, type: 'float16' },
    {
      name: 'b',
      dims: [8],
      values: [],
      raw: bytesOf('u16', 0x8000, 1, 0x7f80, 0xff80, 0x7fc5, 0x7f85, 0xffc1, 0x3f81),
      type: 'bfloat16',
    },
    {
      name: 'd',
      dims: [4],
      values: [],
      raw: bytesOf('u32', 0, 0x80000000, 5, 0, 0x12345, 0x7ff80000, 0x12345, 0x7ff00000),
      type: 'float64',
    },
  ];
  const path = snapshot(...tensors);
  const out = fresh();
  await average([path], out, { allowNonfinite: true });
  for (const { name, raw } of tensors) assert.deepEqual(rawOf(out, name), Buffer.from(raw!), name);
});

test('equal snapshots average to themselves bit for bit, however many and however weighted', async () => {
  // Signalling NaN among them: arithmetic would quieten it, and drop a float16's payload.
  const raw = bytesOf('u32', 0x80000000, 0x7f812345, 0x00000001, 0x3eaaaaab);
  const half = bytesOf('u16', 0x8000, 0x7d23, 0x0001, 0x3555);
  const path = snapshot(
    { name: 'w', dims: [4], values: [], raw },
    { name: 'h', dims: [4], values: [], raw: half, type: 'float16' },
  );
  for (const plan of [{}, { weights: [0.1, 0.2, 0.7] }, { decay: [0.9] }]) {
    const out = fresh();
    await average([path, path, path], out, { allowNonfinite: true, plan });
    assert.deepEqual(rawOf(out, 'w'), Buffer.from(raw));
    assert.deepEqual(rawOf(out, 'h'), Buffer.from(half));
  }
});

test('the order of the snapshots does not matter for uniform: reversed and shuffled give the same bytes', async () => {
  const orders = [SNAPSHOTS, SNAPSHOTS.toReversed(), [...SNAPSHOTS.slice(5), ...SNAPSHOTS.slice(0, 5)]];
  const weights: Buffer[] = [];
  for (const order of orders) {
    const out = fresh();
    await average(order, out);
    weights.push(
      Buffer.concat(
        ['conv1.weight', 'layer3.conv2.weight', 'layer3.bn2.running_var', 'fc.weight'].map((n) => rawOf(out, n)),
      ),
    );
  }
  assert.deepEqual(weights[1], weights[0]);
  assert.deepEqual(weights[2], weights[0]);
});

test('uniform is the float64 sum over N, rounded once, on real snapshots', async () => {
  const out = fresh();
  await average(SNAPSHOTS, out);
  for (const name of ['conv1.weight', 'layer2.bn1.running_var', 'fc.weight', 'fc.bias']) {
    const inputs = SNAPSHOTS.map((path) => floatsOf(path, name));
    const expected = inputs[0]!.map((_, k) => inputs.reduce((sum, x) => sum + x[k]!, 0) / inputs.length);
    assert.deepEqual(floatsOf(out, name), expected, name);
  }
});

test('weights are normalised by their sum: 2, 6 is a quarter and three quarters', async () => {
  assert.deepEqual(
    await averaged(
      'float32',
      [
        [1, -8],
        [5, 8],
      ],
      [2, 6],
    ),
    rawBytes('float32', [4, 4]),
  );
});

test('a weight of zero stays zero: its snapshot counts for nothing, even with a NaN', async () => {
  const paths = [
    [1, 2],
    [Number.NaN, 1e30],
    [3, 4],
  ].map((values) => snapshot({ name: 'w', dims: [2], values }));
  const out = fresh();
  await average(paths, out, { plan: { weights: [1, 0, 1] } });
  assert.deepEqual(rawOf(out, 'w'), rawBytes('float32', [2, 3]));
});

test('float32 denormals are averaged, not flushed', async () => {
  const tiny = 2 ** -149;
  assert.deepEqual(
    await averaged('float32', [
      [tiny, 3 * tiny, -tiny],
      [3 * tiny, 4 * tiny, -3 * tiny],
    ]),
    rawBytes('float32', [2 * tiny, 4 * tiny, -2 * tiny]),
  );
});

test('float16 subnormals are averaged with one rounding to even', async () => {
  const unit = 2 ** -24;
  // (1 + 2)/2 = 1.5 units is a tie: to the even 2; (2 + 3)/2 = 2.5: to 2.
  assert.deepEqual(
    await averaged('float16', [
      [unit, 2 * unit, -unit],
      [2 * unit, 3 * unit, 1023 * unit],
    ]),
    rawBytes('float16', [2 * unit, 2 * unit, 511 * unit]),
  );
});

test('float16 and bfloat16 are summed in float64 and rounded once, to nearest even', async () => {
  for (const type of ['float16', 'bfloat16'] as const) {
    const lists = [0, 1, 2].map((s) =>
      Array.from({ length: 999 }, (_, i) =>
        value16(type, bits16(type, Math.sin(i * 3.7 + s * 1.3) * 2 ** ((i % 40) - 20))),
      ),
    );
    const expected = lists[0]!.map((_, k) => (lists[0]![k]! + lists[1]![k]! + lists[2]![k]!) / 3);
    assert.deepEqual(await averaged(type, lists), rawBytes(type, expected), type);
  }
});

test('opposite zeros average to zero, negative ones keep their sign', async () => {
  assert.deepEqual(
    await averaged('float32', [
      [-0, -0, 0],
      [-0, 0, 0],
    ]),
    rawBytes('float32', [-0, 0, 0]),
  );
});

test('scalars (empty dims) are averaged and tensors without elements stay', async () => {
  const of = (value: number): string =>
    snapshot(
      { name: 'scalar', dims: [], values: [value] },
      { name: 'none', dims: [0, 3], values: [] },
      { name: 'one', dims: [1], values: [value] },
    );
  for (const dtype of [undefined, 'float16'] as const) {
    const out = fresh();
    await average([of(1), of(4)], out, dtype ? { dtype } : {});
    const name = (base: string): string => (dtype ? `${base}_float16` : base);
    assert.deepEqual(rawOf(out, name('scalar')), rawBytes(dtype ?? 'float32', [2.5]));
    assert.deepEqual(rawOf(out, name('one')), rawBytes(dtype ?? 'float32', [2.5]));
    assert.equal(rawOf(out, name('none')).length, 0);
  }
});

test('a tensor longer than one block is averaged to its last element', async () => {
  const length = 65536 * 2 + 17;
  const lists = [1, 2].map((f) => Array.from({ length }, (_, i) => Math.fround((i + 1) / f)));
  assert.deepEqual(
    await averaged('float32', lists),
    rawBytes(
      'float32',
      lists[0]!.map((a, i) => (a + lists[1]![i]!) / 2),
    ),
  );
});

test('a NaN names its file, tensor, element and byte, and leaves no output', async () => {
  const good = snapshot({ name: 'v', dims: [3], values: [1, 2, 3] }, { name: 'w', dims: [2, 2], values: [1, 2, 3, 4] });
  const bad = snapshot(
    { name: 'v', dims: [3], values: [1, 2, 3] },
    { name: 'w', dims: [2, 2], values: [1, 2, Number.NaN, 4] },
  );
  const out = fresh();
  const error = await expectFailure('NUMERIC_NONFINITE', [/"w", element 2/], () => average([good, bad], out));
  assert.equal(error.exitCode, 8);
  assert.ok(!existsSync(out));
  const byte = Number(/byte (\d+)/.exec(error.message)?.[1]);
  assert.ok(error.message.includes(bad) && !error.message.includes(good), error.message);
  assert.ok(Number.isNaN(readFileSync(bad).readFloatLE(byte)), `byte ${byte}`);
});

test('an Inf in one snapshot is refused unless allowed, and then carried', async () => {
  const paths = [
    [1, 2],
    [Number.POSITIVE_INFINITY, 4],
  ].map((values) => snapshot({ name: 'w', dims: [2], values }));
  await expectFailure('NUMERIC_NONFINITE', [/`allowNonfinite`/], () => average(paths, fresh()));
  const out = fresh();
  await average(paths, out, { allowNonfinite: true });
  assert.deepEqual(rawOf(out, 'w'), rawBytes('float32', [Number.POSITIVE_INFINITY, 3]));
});

test('finite values that do not fit the output type are an overflow, not an infinity', async () => {
  const paths = [
    [70000, 1],
    [70000, 2],
  ].map((values) => snapshot({ name: 'w', dims: [2], values }));
  await expectFailure('NUMERIC_OVERFLOW', [/"w", element 0.*float16/, /`dtype` float32/], () =>
    average(paths, fresh(), { dtype: 'float16' }),
  );
});

test('integers that differ are refused; --on-int-mismatch last takes the last snapshot of each output', async () => {
  const of = (count: number, value: number): string =>
    snapshot(
      { name: 'num_batches_tracked', dims: [], values: [count], type: 'int64' },
      { name: 'w', dims: [2], values: [value, 0] },
    );
  const paths = [of(100, 1), of(200, 2), of(300, 3)];
  await expectFailure('MISMATCH_VALUE', [/num_batches_tracked.*int64.*`onIntMismatch` last/], () =>
    average(paths, fresh()),
  );
  const outs = [fresh(), fresh()];
  await averageEach(paths, outs, { rules: { onIntMismatch: 'last' }, plan: { first: [2, 3] } });
  assert.deepEqual(
    outs.map((out) => rawOf(out, 'num_batches_tracked').readBigInt64LE()),
    [200n, 300n],
  );
  assert.deepEqual(rawOf(outs[1]!, 'w'), rawBytes('float32', [2, 0]));
});

test('a variance that weights below 0 make negative is refused by tensor and channel, and leaves no output', async () => {
  const of = (...variances: number[]): string =>
    writeModel(fresh(), {
      nodes: [node('BatchNormalization', ['x', 'gamma', 'beta', 'mean', 'var'], ['y'])],
      initializers: ['gamma', 'beta', 'mean', 'var'].map((name) =>
        tensor({ name, dims: [2], values: name === 'var' ? variances : [1, 1] }),
      ),
      inputs: [valueInfo('x', ['n', 2, 4, 4])],
      outputs: [valueInfo('y', ['n', 2, 4, 4])],
    });
  const plan = { weights: [-1, 2] };
  const out = fresh();
  await expectFailure('NUMERIC_NEGATIVE_VARIANCE', [/"var", channel 1: .*weighted is -1,/, /`bn` last/], () =>
    average([of(1, 3), of(1, 1)], out, { plan }),
  );
  assert.equal(existsSync(out), false);
  // A variance that was negative before is no fault of the average.
  await average([of(1, 3), of(1, -1)], out, { plan });
  assert.deepEqual([...floatsOf(out, 'var')], [1, -5]);
  await average([of(1, 3), of(1, 1)], fresh(), { plan, rules: { bn: 'last' } });
});

test('--bn last takes running statistics from the last snapshot and averages the rest', async () => {
  const of = (k: number): string =>
    writeModel(fresh(), {
      nodes: [node('BatchNormalization', ['x', 'gamma', 'beta', 'mean', 'var'], ['y'])],
      initializers: ['gamma', 'beta', 'mean', 'var'].map((name, i) =>
        tensor({ name, dims: [2], values: [k + i, k * k] }),
      ),
      inputs: [valueInfo('x', ['n', 2, 4, 4])],
      outputs: [valueInfo('y', ['n', 2, 4, 4])],
    });
  const paths = [of(1), of(2), of(4)];
  const out = fresh();
  await average(paths, out, { rules: { bn: 'last' }, plan: { weights: [1, 1, 2] } });
  const get = (name: string): number[] => [...floatsOf(out, name)];
  assert.deepEqual(
    [get('gamma'), get('beta'), get('mean'), get('var')],
    [
      [2.75, 9.25],
      [3.75, 9.25],
      [6, 16],
      [7, 16],
    ],
  );
});
