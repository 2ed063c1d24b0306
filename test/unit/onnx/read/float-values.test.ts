import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeFloats } from '../../../../src/onnx/index.ts';
import { assertFails } from '../../../support/assert-fails.ts';
import { rawBytes, type TestType, TYPE_CODE } from '../../../support/model-builder.ts';

const VALUES = [0, 1 / 3, 1e-3, 2049, 65504, 0.1 + 2 ** -40];

for (const type of ['float32', 'float64', 'float16', 'bfloat16'] satisfies TestType[]) {
  test(`${type}: rounded once from float64, to nearest even`, () => {
    assert.deepEqual(
      Buffer.from(encodeFloats(Float64Array.from(VALUES), TYPE_CODE[type], 'bn')),
      rawBytes(type, VALUES),
    );
  });
}

for (const [type, value] of [
  ['float16', 65520],
  ['float32', 3.5e38],
  ['bfloat16', 3.4e38],
] as const) {
  test(`${type} cannot hold ${value}: the layer, the channel and a remedy`, () => {
    const error = assertFails(
      () => encodeFloats(Float64Array.of(1, value), TYPE_CODE[type], 'bn: running_var', 'channel'),
      'NUMERIC_OVERFLOW',
    );
    assert.match(error.message, new RegExp(`^bn: running_var: channel 1 is .*${type}`));
    assert.ok(error.hint);
  });
}

test('the largest float16 that rounds down is held', () => {
  assert.deepEqual([...encodeFloats(Float64Array.of(65519), TYPE_CODE.float16, 'bn')], [0xff, 0x7b]);
});

test('NaN and infinities are refused, and so are integers as statistics', () => {
  assertFails(() => encodeFloats(Float64Array.of(Number.NaN), TYPE_CODE.float32, 'bn'), 'NUMERIC_NONFINITE');
  assertFails(
    () => encodeFloats(Float64Array.of(Number.POSITIVE_INFINITY), TYPE_CODE.float64, 'bn'),
    'NUMERIC_NONFINITE',
  );
  assertFails(() => encodeFloats(Float64Array.of(1), TYPE_CODE.int32, 'bn'), 'UNSUPPORTED_DATA_TYPE');
});
