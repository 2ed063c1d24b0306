// What Node writes, read by Python: by numpy, and by the reference library where it is installed.
// ONNX_TEMPER_PYTHON names another interpreter than python3.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { openAtomic, type SafetensorsType, writeSafetensors } from '../../src/core/index.ts';
import { seeded } from '../support/random.ts';
import { tempFolder } from '../support/temp-folder.ts';

const PYTHON = process.env.ONNX_TEMPER_PYTHON ?? 'python3';
const hasNumpy = spawnSync(PYTHON, ['-c', 'import numpy']).status === 0;

const ITEM_BYTES: Readonly<Record<SafetensorsType, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F16: 2,
  BF16: 2,
  U16: 2,
  I16: 2,
  F32: 4,
  U32: 4,
  I32: 4,
  F64: 8,
  U64: 8,
  I64: 8,
};
const SHAPES = [[], [7], [3, 5], [2, 1, 3], [0, 4]];

interface Found {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly sha256: string;
}

interface Report {
  readonly numpy: Readonly<Record<string, Found>>;
  readonly reference: {
    readonly version: string;
    readonly tensors: Readonly<Record<string, Found>>;
    readonly same_bytes: boolean;
  } | null;
}

test('Python reads every type and shape, aligned, and its reference library writes the same bytes', {
  skip: hasNumpy ? false : `${PYTHON} has no numpy`,
}, (context) => {
  const next = seeded(1);
  const tensors = Object.entries(ITEM_BYTES).flatMap(([dtype, size]) =>
    SHAPES.map((shape, i) => {
      const bytes = shape.reduce((a, b) => a * b, 1) * size;
      const data = Uint8Array.from({ length: bytes }, () => next() * (dtype === 'BOOL' ? 2 : 256));
      return { name: `${dtype}/${i} é`, dtype: dtype as SafetensorsType, shape, data };
    }),
  );
  const path = join(tempFolder(), 'all.safetensors');
  const file = openAtomic(path);
  writeSafetensors(file, tensors);
  file.publish({ force: true });

  const script = join('test', 'conformance', 'peers', 'read_safetensors.py');
  const { status, stdout, stderr } = spawnSync(PYTHON, [script, path], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  const { numpy, reference } = JSON.parse(stdout) as Report;
  const expected = Object.fromEntries(
    tensors.map(({ name, dtype, shape, data }) => [
      name,
      { dtype, shape, sha256: createHash('sha256').update(data).digest('hex') },
    ]),
  );
  assert.deepEqual(numpy, expected);
  if (reference === null) {
    context.diagnostic(`${PYTHON} has no safetensors: read by numpy alone`);
    return;
  }
  context.diagnostic(`safetensors ${reference.version} read ${tensors.length} tensors`);
  assert.deepEqual(reference.tensors, expected);
  assert.ok(reference.same_bytes, 'the reference library writes other bytes');
});
