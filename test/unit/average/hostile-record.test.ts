import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { verifyAverage } from '../../../src/average/index.ts';
import { type ErrorCode, TemperError } from '../../../src/core/index.ts';
import { openModel } from '../../../src/onnx/index.ts';
import { averageInMemory } from '../../support/average-in-memory.ts';
import { attributes, type ModelSpec, modelProto } from '../../support/onnx-messages.ts';
import { richExternalModel, richModel } from '../../support/rich-models.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder();
const GRAPH: ModelSpec['graph'] = { initializers: [{ name: 'w', dims: [1], values: [1] }] };
const snapshot = modelProto({ graph: GRAPH });
writeFileSync(join(folder, 'a.onnx'), snapshot);
const sha256 = createHash('sha256').update(snapshot).digest('hex');

const INPUT = { file: 'a.onnx', sha256, step: null, coefficient: 1 };
const RECORD = {
  tool: 'onnx-temper',
  version: '0',
  command: 'avg-ckpt',
  average: 'uniform',
  divisor: 1,
  template: 0,
  bn: 'average',
  on_int_mismatch: 'error',
  match: 'auto',
  dtype: null,
  allow_nonfinite: false,
  inputs: [INPUT],
};

/** Verifies a model with this text as its record. */
async function verify(text: string, inputs: string[] = []) {
  const path = join(folder, 'average.onnx');
  writeFileSync(path, modelProto({ graph: GRAPH, metadata: { 'onnx_temper.1': text } }));
  return verifyAverage({ file: path, inputs });
}

async function refused(text: string, code: ErrorCode, inputs: string[] = []): Promise<void> {
  await assert.rejects(verify(text, inputs), (error) => {
    assert.ok(error instanceof TemperError, `${text.slice(0, 200)}: ${String(error)}`);
    assert.equal(error.code, code, `${text.slice(0, 200)}: ${error.message}`);
    return true;
  });
}

test('the record that the others are made from is a good one', async () => {
  const { ok, findings } = await verify(JSON.stringify(RECORD));
  assert.deepEqual({ ok, findings }, { ok: true, findings: [] });
});

test('a record of another shape is malformed, never a crash', async () => {
  const input = (change: object): object => ({ ...RECORD, inputs: [{ ...INPUT, ...change }] });
  const records: object[] = [
    { ...RECORD, inputs: undefined },
    { ...RECORD, inputs: {} },
    { ...RECORD, inputs: { length: 3 } },
    { ...RECORD, inputs: [] },
    { ...RECORD, inputs: [null] },
    { ...RECORD, divisor: 0 },
    { ...RECORD, divisor: 2 },
    { ...RECORD, template: 1 },
    { ...RECORD, template: -1 },
    { ...RECORD, template: 'length' },
    { ...RECORD, dtype: 'int8' },
    { ...RECORD, bn: 'toString' },
    { ...RECORD, average: 5 },
    input({ coefficient: 0 }),
    input({ coefficient: '1' }),
    input({ step: 'x' }),
    input({ step: {} }),
    input({ sha256: 'g'.repeat(64) }),
    input({ sha256: '' }),
    input({ data: 5 }),
    input({ data: [null] }),
    input({ data: [{ location: 5, sha256 }] }),
    input({ file: '', sha256: 1 }),
    input({ file: '../a.onnx' }),
    input({ file: join(folder, 'a.onnx') }),
    input({ file: 'x/../a.onnx' }),
  ];
  for (const record of records) await refused(JSON.stringify(record), 'FORMAT_MALFORMED');
  const text = JSON.stringify(RECORD);
  // JSON has no infinity, but numbers that become it.
  await refused(text.replace('"divisor":1', '"divisor":1e999'), 'FORMAT_MALFORMED');
  await refused(text.replace('"coefficient":1', '"coefficient":1e999'), 'FORMAT_MALFORMED');
  for (const other of [
    '',
    '{',
    'null',
    '[]',
    '5',
    '"x"',
    '[[[['.repeat(100_000),
    `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
  ]) {
    await refused(other, 'FORMAT_MALFORMED');
  }
});

test("an own __proto__ in a record changes nobody's prototype and fills no gap", async () => {
  await refused(`{"__proto__":${JSON.stringify(RECORD)}}`, 'FORMAT_MALFORMED');
  await refused(
    JSON.stringify(RECORD).replace('{', '{"__proto__":{"polluted":1},').replace('"dtype":null,', ''),
    'FORMAT_MALFORMED',
  );
  assert.equal(({} as { polluted?: number }).polluted, undefined);
});

test('another command is named, whatever it is', async () => {
  for (const command of ['"bn-recal"', '{"toString":1}', '[]', '5', 'null', `"\\u001b${'x'.repeat(100_000)}"`]) {
    await refused(`{"command":${command}}`, 'UNSUPPORTED_GRAPH');
  }
});

test('a name that is not there, a folder, or a dot is a missing or unreadable input', async () => {
  const named = (file: string): string => JSON.stringify({ ...RECORD, inputs: [{ ...INPUT, file }] });
  mkdirSync(join(folder, 'folder.onnx'), { recursive: true });
  await refused(named('b.onnx'), 'INPUT_NOT_FOUND');
  await refused(named('..'), 'INPUT_NOT_FOUND');
  await refused(named('.'), 'INPUT_NOT_FOUND');
  await refused(named('folder.onnx'), 'INPUT_UNREADABLE');
  await refused(named('b.onnx'), 'INPUT_NOT_FOUND', [join(folder, 'missing')]);
  await refused(named('b.onnx'), 'INPUT_NOT_FOUND', [join(folder, 'a.onnx')]);
});

test('a record of thousands of inputs neither hangs nor fills the memory', async () => {
  const record = (count: number): string =>
    JSON.stringify({ ...RECORD, divisor: count, inputs: Array.from({ length: count }, () => INPUT) });
  await refused(record(10_001), 'FORMAT_MALFORMED');
  const wrong = { ...INPUT, sha256: 'f'.repeat(64) };
  const { ok, findings } = await verify(JSON.stringify({ ...RECORD, divisor: 3000, inputs: Array(3000).fill(wrong) }));
  assert.equal(ok, false);
  assert.equal(findings.length, 3000);
});

test('one snapshot averaged keeps its bytes and all else in it; the record is appended', async () => {
  const { model } = richModel(1);
  const raw = Buffer.from(modelProto({ graph: GRAPH, metadata: { 'onnx_temper.41': '{}' } }));
  writeFileSync(join(folder, 'raw.onnx'), raw);
  writeFileSync(join(folder, 'rich.onnx'), model);
  const opened = [openModel(join(folder, 'raw.onnx')), openModel(join(folder, 'rich.onnx'))] as const;
  try {
    const { model: output } = await averageInMemory([opened[0]]);
    assert.ok(output.subarray(0, raw.length).equals(raw));
    assert.ok(output.subarray(raw.length).includes('onnx_temper.42'));
    const twice = await averageInMemory([opened[1], opened[1]]);
    const once = await averageInMemory([opened[1]]);
    const end = (bytes: Buffer): number => bytes.lastIndexOf('onnx_temper.2');
    assert.ok(twice.model.subarray(0, end(twice.model) - 10).equals(once.model.subarray(0, end(once.model) - 10)));
  } finally {
    for (const model of opened) model.close();
  }
});

test('an external tensor of an unknown type is carried over with its bytes', async () => {
  const own = join(folder, 'unknown');
  mkdirSync(own, { recursive: true });
  const { data } = richExternalModel(1);
  for (const [file, bytes] of Object.entries(data)) writeFileSync(join(own, file), bytes);
  const initializers = [
    { name: 'future', type: 99, dims: [5], external: { location: 'a.bin', offset: 0, length: 4 } },
    { name: 'w', dims: [4], external: { location: 'a.bin', offset: 16, length: 16 } },
  ];
  const nodes = [{ op: 'Odd', domain: 'my', inputs: ['future', 'w'], outputs: ['y'] }];
  writeFileSync(join(own, 'm.onnx'), modelProto({ graph: { initializers, nodes } }));
  const model = openModel(join(own, 'm.onnx'));
  try {
    const { data: written } = await averageInMemory([model]);
    const expected = Buffer.concat([
      Buffer.from([1, 2, 3, 4]),
      Buffer.alloc(12),
      (data['a.bin'] as Buffer).subarray(16),
    ]);
    assert.ok(written.equals(expected));
  } finally {
    model.close();
  }
});

test('the order in which the rules are named does not change the bytes, which verify compares', async () => {
  const model = openModel(join(folder, 'a.onnx'));
  try {
    const orders = [
      { bn: 'average', onIntMismatch: 'error', match: 'auto' },
      { match: 'auto', bn: 'average', onIntMismatch: 'error' },
    ] as const;
    const [first, second] = await Promise.all(orders.map((rules) => averageInMemory([model], { rules })));
    assert.ok(first?.model.equals(second?.model as Buffer));
  } finally {
    model.close();
  }
});

test('integers in the attribute of a Constant that differ are refused, also where counters may', async () => {
  const paths = [1, 2].map((value) => {
    const path = join(folder, `counter_${value}.onnx`);
    const constant = { op: 'Constant', outputs: ['n'], attributes: [attributes.i('value_int', value)] };
    writeFileSync(
      path,
      modelProto({ graph: { nodes: [constant, { op: 'Odd', domain: 'my', inputs: ['n'], outputs: ['y'] }] } }),
    );
    return path;
  });
  const models = paths.map((path) => openModel(path));
  try {
    const averaging = averageInMemory(models, { rules: { bn: 'average', onIntMismatch: 'last', match: 'auto' } });
    await assert.rejects(averaging, { code: 'MISMATCH_VALUE' });
  } finally {
    for (const model of models) model.close();
  }
});
