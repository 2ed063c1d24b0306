import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ErrorCode } from '../../../src/core/index.ts';
import { openState } from '../../../src/snapshots/index.ts';
import { assertFails } from '../../support/assert-fails.ts';
import {
  dictOps,
  int,
  name,
  ops,
  pickle,
  tensorOps,
  text,
  torchZip,
  tuple,
  zip,
} from '../../support/checkpoint-writer.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const path = join(tempFolder(), 'x.pth');
const FOUR = Buffer.from(Float32Array.of(1, 2, 3, 4).buffer);

const weights = (...more: readonly (readonly [string, Uint8Array])[]): Buffer =>
  dictOps(['conv.weight', tensorOps()], ...more);

/** The values of each tensor, as numbers. */
function read(bytes: Uint8Array): Record<string, number[]> {
  writeFileSync(path, bytes);
  const table = openState(path);
  try {
    return Object.fromEntries(
      [...table.tensors].map(([key, tensor]) => {
        const cursor = tensor.open();
        const values = new Uint8Array(cursor.byteLength);
        cursor.read(values);
        return [key, [...new Float32Array(values.buffer)]];
      }),
    );
  } finally {
    table.close();
  }
}

function refused(bytes: Uint8Array, code: ErrorCode, message: RegExp): void {
  assert.match(assertFails(() => read(bytes), code).message, message);
}

const EXPECTED = { 'conv.weight': [1, 2, 3, 4] };

test('archives under any name, in zip64 form, in either byte order are read', () => {
  for (const prefix of ['archive/', 'epoch=1-step=2/', '']) {
    assert.deepEqual(read(torchZip(weights(), { 0: FOUR }, { prefix })), EXPECTED);
  }
  const members = [
    { name: 'a/data.pkl', data: pickle(weights()) },
    { name: 'a/data/0', data: FOUR },
  ];
  assert.deepEqual(read(zip(members, { zip64: true })), EXPECTED);
  const big = Buffer.from(FOUR).swap32();
  assert.deepEqual(read(torchZip(weights(), { 0: big }, { byteorder: 'big' })), EXPECTED);
  refused(torchZip(weights(), { 0: FOUR }, { byteorder: 'middle' }), 'FORMAT_MALFORMED', /byte order "middle"/);
});

test('members that are compressed, encrypted, missing, doubled, overlapping or misplaced are refused', () => {
  const data = { name: 'a/data.pkl', data: pickle(weights()) };
  const storage = { name: 'a/data/0', data: FOUR };
  refused(zip([data, { ...storage, method: 8 }]), 'UNSUPPORTED_FORMAT', /"a\/data\/0" is compressed/);
  refused(zip([data, { ...storage, flags: 1 }]), 'UNSUPPORTED_FORMAT', /"a\/data\/0" is encrypted/);
  refused(zip([data]), 'FORMAT_MALFORMED', /"a\/data\/0" is missing/);
  refused(zip([storage]), 'FORMAT_MALFORMED', /0 data\.pkl/);
  refused(zip([data, { ...data, name: 'b/data.pkl' }]), 'FORMAT_MALFORMED', /2 data\.pkl/);
  refused(zip([data, storage, storage]), 'FORMAT_MALFORMED', /"a\/data\/0" is there twice/);
  const size = 40;
  refused(zip([data, { ...storage, claims: { size } }, { name: 'a/x', data: FOUR }]), 'FORMAT_MALFORMED', /overlaps/);
  refused(
    zip([data, { ...storage, claims: { size: 2 ** 31 } }]),
    'FORMAT_MALFORMED',
    /do not fit before the directory/,
  );
  refused(zip([data, { ...storage, claims: { header: 0 } }]), 'FORMAT_MALFORMED', /overlaps/);
  const header = 30 + data.name.length + data.data.length + 1;
  refused(
    zip([data, { ...storage, claims: { header } }, { name: 'a/x', data: FOUR }]),
    'FORMAT_MALFORMED',
    /is not at byte/,
  );
  refused(zip([data, { ...storage, data: FOUR.subarray(4) }]), 'FORMAT_MALFORMED', /12 bytes are stored/);
  const whole = torchZip(weights(), { 0: FOUR });
  refused(whole.subarray(0, -30), 'FORMAT_TRUNCATED', /incomplete/);
  refused(Buffer.concat([whole.subarray(0, 60), whole.subarray(64)]), 'FORMAT_MALFORMED', /zip:/);
});

test('views must lie in their storage', () => {
  const view = (tensor: Parameters<typeof tensorOps>[0]): Buffer =>
    torchZip(dictOps(['conv.weight', tensorOps(tensor)]), { 0: FOUR });
  assert.deepEqual(read(view({ dims: [2, 2], strides: [1, 2] })), { 'conv.weight': [1, 3, 2, 4] });
  refused(view({ offset: 1 }), 'FORMAT_MALFORMED', /reaches element 5 of a storage of 4/);
  refused(view({ offset: -1 }), 'FORMAT_MALFORMED', /no counts/);
  refused(view({ strides: [-1] }), 'FORMAT_MALFORMED', /no counts/);
  refused(view({ strides: [1, 1] }), 'FORMAT_MALFORMED', /no counts/);
  refused(view({ strides: [2] }), 'FORMAT_MALFORMED', /reaches element 7/);
  refused(view({ dims: [2n ** 62n] }), 'FORMAT_MALFORMED', /no counts/);
  refused(view({ dims: [2 ** 40], strides: [0] }), 'FORMAT_LIMIT', /elements over 4 stored/);
  refused(view({ dims: [2 ** 30, 2 ** 30], strides: [0, 0] }), 'FORMAT_LIMIT', /of sizes/);
  refused(view({ count: 5 }), 'FORMAT_MALFORMED', /16 bytes are stored/);
  refused(view({ storage: 'OddStorage' }), 'UNSUPPORTED_DATA_TYPE', /OddStorage/);
});

test('pickles that are broken are refused where they break', () => {
  const root = (...parts: (string | Uint8Array)[]): Buffer => torchZip(ops(...parts), { 0: FOUR });
  refused(root('\xff'), 'FORMAT_MALFORMED', /operation 0xff is none/);
  refused(root('0'), 'FORMAT_MALFORMED', /the stack is empty/);
  refused(root('t'), 'FORMAT_MALFORMED', /an end without a mark/);
  refused(root('h\x05'), 'FORMAT_MALFORMED', /memo 5 is empty/);
  refused(root('}(K\x01u'), 'FORMAT_MALFORMED', /a key without a value/);
  refused(root('}', 'K\x01a'), 'FORMAT_MALFORMED', /items for what is no list/);
  refused(root(weights(['conv.weight', tensorOps()])), 'FORMAT_MALFORMED', /the key "conv.weight" occurs twice/);
  refused(root('\x82\x01'), 'FORMAT_MALFORMED', /extension/);
  refused(root('X\xff\xff\xff\xffabc'), 'FORMAT_TRUNCATED', /4294967295 bytes are needed/);
  refused(root('\x8b\xff\xff\xff\x7f'), 'FORMAT_LIMIT', /an integer of 2147483647 bytes/);
  refused(root('c', 'a'.repeat(5000)), 'FORMAT_LIMIT', /a line/);
  refused(root('\x80\x09N'), 'FORMAT_MALFORMED', /protocol 9/);
  refused(root('K\x05Q'), 'FORMAT_MALFORMED', /names no storage/);
});

test('calls do not run, whatever they name', () => {
  const calls = [
    ops(name('os', 'system'), tuple(text('touch /tmp/never')), 'R'),
    ops(name('builtins', 'eval'), tuple(text('1/0')), 'R'),
    ops(name('builtins', 'getattr'), tuple(name('os', 'system'), text('x')), 'R)R'),
    ops('(', text('x'), 'ios\nsystem\n'),
    ops(name('x', 'Y'), ')\x81', dictOps(['a', int(1)]), 'b'),
    ops(name('__main__', '__proto__'), tuple(), 'R', '(', text('__proto__'), int(1), 'u'),
  ];
  for (const call of calls) assert.deepEqual(read(torchZip(weights(['args', call]), { 0: FOUR })), EXPECTED);
  const hidden = torchZip(
    dictOps(['state_dict', weights(['fc.weight', ops(name('evil', 'load'), tuple(tensorOps()), 'R')])]),
    { 0: FOUR },
  );
  refused(hidden, 'UNSUPPORTED_FORMAT', /weight "fc.weight" is hidden in evil.load/);
});

test('cycles, deep nesting and modules that hold themselves end', () => {
  const cycle = ops('}q\x01(', text('self'), 'h\x01', text('conv.weight'), tensorOps(), 'u');
  assert.deepEqual(read(torchZip(cycle, { 0: FOUR })), EXPECTED);
  const deep = weights(['x', ops(']'.repeat(200_000), 'a'.repeat(199_999))]);
  assert.deepEqual(read(torchZip(deep, { 0: FOUR })), EXPECTED);
  const module = (modules: Uint8Array): Buffer =>
    ops(
      name('m', 'Net'),
      ')\x81q\x01',
      dictOps(['_parameters', weights()], ['_buffers', ops('}')], ['_modules', modules]),
      'b',
    );
  assert.deepEqual(read(torchZip(module(ops('}')), { 0: FOUR })), EXPECTED);
  refused(torchZip(module(dictOps(['a', ops('h\x01')])), { 0: FOUR }), 'FORMAT_MALFORMED', /holds itself/);
  // Each module holds the one before twice: 2^40 in all.
  let doubled = module(ops('}'));
  for (let level = 2; level < 42; level++) {
    const twice = ops(
      '}(',
      text('a'),
      ops('h', Uint8Array.of(level - 1)),
      text('b'),
      ops('h', Uint8Array.of(level - 1)),
      'u',
    );
    const parts = dictOps(['_parameters', ops('}')], ['_buffers', ops('}')], ['_modules', twice]);
    doubled = ops(doubled, '0', name('m', 'Net'), `)\x81q`, Uint8Array.of(level), parts, 'b');
  }
  refused(torchZip(doubled, { 0: FOUR }), 'FORMAT_LIMIT', /a module with over/);
});

test('bombs are refused before they take 300 MB', () => {
  const memo = Buffer.alloc(5 << 22, 'r');
  for (let i = 0; i < 1 << 22; i++) memo.writeUInt32LE(i, 5 * i + 1);
  const bombs: Readonly<Record<string, Buffer>> = {
    dictionaries: Buffer.alloc(16 << 20, '}'),
    nones: Buffer.alloc(16 << 20, 'N'),
    marks: Buffer.alloc(16 << 20, '('),
    'lists of one': Buffer.alloc(16 << 20, ']Na'),
    memo: ops(']q\x00', memo),
    texts: Buffer.alloc(16 << 20, 'X\x01\0\0\0ab'),
    'nothing at all': Buffer.alloc(17 << 20, 'N0'),
  };
  for (const [kind, bomb] of Object.entries(bombs)) {
    writeFileSync(path, torchZip(ops('N', bomb), { 0: FOUR }));
    const [memory, start] = [process.resourceUsage().maxRSS, process.cpuUsage()];
    assertFails(() => openState(path), 'FORMAT_LIMIT');
    const { user, system } = process.cpuUsage(start);
    const megabytes = (process.resourceUsage().maxRSS - memory) / 1000;
    assert.ok(megabytes < 300, `${kind}: ${megabytes.toFixed()} MB`);
    assert.ok(user + system < 10e6, `${kind}: ${(user + system) / 1e6} s`);
  }
});
