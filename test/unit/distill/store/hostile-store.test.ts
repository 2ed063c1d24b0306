import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  type ErrorCode,
  openAtomic,
  openFile,
  openSafetensors,
  type SafetensorsTensor,
  writeSafetensors,
} from '../../../../src/core/index.ts';
import { resolveTransform } from '../../../../src/data/index.ts';
import { openStore, type Store } from '../../../../src/distill/index.ts';
import { assertFails } from '../../../support/assert-fails.ts';
import { makeStore, storeRun } from '../../../support/target-store.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const root = tempFolder();
const folder = await makeStore(root, 'store', storeRun({ kind: 'top_k', top_k: 3 }));
const PATH = join(folder, 'manifest.json');
const TEXT = readFileSync(PATH, 'utf8');

type Json = Record<string, unknown>;
type Change = (manifest: Json) => Json;
const first = (manifest: Json, name: string): Json => (manifest[name] as Json[])[0] as Json;

const MANIFESTS: Readonly<Record<string, [Change, ErrorCode, RegExp]>> = {
  'another format': [(m) => ({ ...m, format: 'x' }), 'FORMAT_MALFORMED', /format is "x"/],
  'a version to come': [(m) => ({ ...m, version: 2, surprise: 1 }), 'UNSUPPORTED_FORMAT', /version 2, known is 1/],
  'a member too many': [(m) => ({ ...m, extra: 1 }), 'FORMAT_MALFORMED', /unknown member extra/],
  'a member missing': [(m) => ({ ...m, seed: undefined }), 'FORMAT_MALFORMED', /seed is missing/],
  'rows that are not samples times views': [(m) => ({ ...m, n_rows: 23 }), 'FORMAT_MALFORMED', /n_rows 23/],
  'parts that split a sample': [(m) => ({ ...m, rows_per_part: 7 }), 'FORMAT_MALFORMED', /whole samples/],
  'another number of parts': [(m) => ({ ...m, n_parts: 5 }), 'FORMAT_MALFORMED', /5 parts of 6 rows/],
  'a number of parts that no memory holds': [
    (m) => ({ ...m, n_samples: 1e15, views: 1, n_rows: 1e15, rows_per_part: 1, n_parts: 1e15 }),
    'FORMAT_MALFORMED',
    /n_parts is 1000000000000000/,
  ],
  'as many parts as are allowed, and no files': [
    (m) => ({ ...m, n_samples: 1e6, views: 1, n_rows: 1e6, rows_per_part: 1, n_parts: 1e6 }),
    'FORMAT_MALFORMED',
    /files of 1000000 parts/,
  ],
  'more values than classes': [(m) => ({ ...m, top_k: 8 }), 'FORMAT_MALFORMED', /top_k 8 of 7 classes/],
  'a kind that is not that of the numbers': [
    (m) => ({ ...m, kind: 'dense' }),
    'FORMAT_MALFORMED',
    /dense with top_k 3/,
  ],
  'a temperature of zero': [(m) => ({ ...m, temperatures: [1, 0] }), 'FORMAT_MALFORMED', /temperatures is/],
  'no teacher': [(m) => ({ ...m, teachers: [] }), 'FORMAT_MALFORMED', /teachers is/],
  'a teacher with a path for a number': [
    (m) => ({ ...m, teachers: [{ ...first(m, 'teachers'), index: '../..' }] }),
    'FORMAT_MALFORMED',
    /teachers is/,
  ],
  'a file outside of the store': [
    (m) => ({
      ...m,
      files: { ...(m.files as Json), '../../etc/passwd': first(m, 'parts') && (m.files as Json)['run.json'] },
    }),
    'FORMAT_MALFORMED',
    /passwd is no file of the store/,
  ],
  'parts out of order': [
    (m) => ({ ...m, parts: (m.parts as Json[]).toReversed() }),
    'FORMAT_MALFORMED',
    /parts: part 3 in place 0/,
  ],
  'a part too few': [
    (m) => ({ ...m, parts: (m.parts as Json[]).slice(1, 1) }),
    'FORMAT_MALFORMED',
    /0 are listed, expected 4/,
  ],
  'a transform that cannot be applied': [
    (m) => ({ ...m, teachers: [{ ...first(m, 'teachers'), transform: { resize: 'all' } }] }),
    'FORMAT_MALFORMED',
    /teachers is/,
  ],
  'the hash of another transform': [
    (m) => {
      const second = (m.teachers as Json[])[1];
      return { ...m, teachers: [{ ...first(m, 'teachers'), transform: resolveTransform() }, second] };
    },
    'FORMAT_MALFORMED',
    /transform_sha256 that is not of its transform/,
  ],
  'views that no column records': [(m) => ({ ...m, augment: { shiftedCrop: true } }), 'FORMAT_MALFORMED', /augment is/],
  'augmentation of another shape': [
    (m) => ({ ...m, augment: { randomResizedCrop: { scale: [0, '1'] } } }),
    'FORMAT_MALFORMED',
    /augment is/,
  ],
  'scores of one teacher': [
    (m) => ({ ...m, scores: [first(m, 'scores')] }),
    'FORMAT_MALFORMED',
    /scores of 1 teachers/,
  ],
};

for (const [name, [change, code, message]] of Object.entries(MANIFESTS)) {
  test(`a manifest with ${name} is refused`, () => {
    writeFileSync(PATH, JSON.stringify(change(JSON.parse(TEXT) as Json)));
    try {
      assert.match(assertFails(() => openStore(folder), code).message, message);
    } finally {
      writeFileSync(PATH, TEXT);
    }
  });
}

test('a manifest that is no JSON, no object, or no UTF-8 is refused', () => {
  for (const bytes of ['', '{', '[1]', 'null', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])]) {
    writeFileSync(PATH, bytes);
    assertFails(() => openStore(folder), 'FORMAT_MALFORMED');
  }
  writeFileSync(PATH, TEXT);
});

/** Rewrites a file of part 0 with other tensors, runs, and puts it back. */
function withTensors(
  file: string,
  change: (tensors: SafetensorsTensor[]) => SafetensorsTensor[],
  run: (store: Store) => void,
) {
  const path = join(folder, file);
  const bytes = readFileSync(path);
  const source = openFile(path);
  const before = openSafetensors(source);
  const all = [...before.tensors.values()].map(({ name, dtype, shape }) => ({
    name,
    dtype,
    shape,
    data: before.read(name),
  }));
  source.close();
  const out = openAtomic(path);
  writeSafetensors(out, change(all), before.metadata);
  out.publish({ force: true });
  try {
    run(openStore(folder));
  } finally {
    writeFileSync(path, bytes);
  }
}

const edit = (name: string, change: (tensor: SafetensorsTensor) => SafetensorsTensor) => (all: SafetensorsTensor[]) =>
  all.map((tensor) => (tensor.name === name ? change(tensor) : tensor));
const TARGETS = 'teachers/0/part-00000-of-00004.safetensors';
const VIEWS = 'views/part-00000-of-00004.safetensors';

const PARTS: Readonly<Record<string, [string, (all: SafetensorsTensor[]) => SafetensorsTensor[], RegExp]>> = {
  'a column missing': [TARGETS, (all) => all.filter(({ name }) => name !== 'lse'), /has no column lse/],
  'a column too many': [
    VIEWS,
    (all) => [...all, { name: 'x', dtype: 'U8', shape: [6], data: new Uint8Array(6) }],
    /unknown column x/,
  ],
  'a column of another type': [
    TARGETS,
    edit('values', (t) => ({ ...t, dtype: 'BF16' })),
    /values is BF16 \[6, 3\], expected F16 \[6, 3\]/,
  ],
  'a column of another shape': [TARGETS, edit('values', (t) => ({ ...t, shape: [3, 6] })), /values is F16 \[3, 6\]/],
  'fewer rows': [
    VIEWS,
    edit('flip', (t) => ({ ...t, shape: [5], data: new Uint8Array(5) })),
    /flip is U8 \[5\], expected U8 \[6\]/,
  ],
};

for (const [name, [file, change, message]] of Object.entries(PARTS)) {
  test(`a part with ${name} is refused when it is opened`, () => {
    withTensors(file, change, (store) => {
      assert.match(assertFails(() => store.part(0), 'FORMAT_MALFORMED').message, message);
      store.part(1).close();
    });
  });
}

test('values that nothing can be done with are refused when they are read', () => {
  withTensors(
    TARGETS,
    edit('indices', (t) => ({ ...t, data: new Uint16Array(18).fill(7) })),
    (store) => {
      const part = store.part(0);
      assert.match(assertFails(() => part.targets(0), 'FORMAT_MALFORMED').message, /class 7 of 7/);
      part.close();
    },
  );
  for (const [column, message] of [
    ['status', /status 9 of row 0/],
    ['jitter_order', /jitter_order 9/],
  ] as const) {
    withTensors(
      VIEWS,
      edit(column, (t) => ({ ...t, data: (t.data as Uint8Array).map(() => 9) })),
      (store) => {
        const part = store.part(0);
        assert.match(assertFails(() => part.views(), 'FORMAT_MALFORMED').message, message);
        part.close();
      },
    );
  }
});
