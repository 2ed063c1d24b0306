import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import '../support/seeded.ts';
import { compareUtf8 } from '../../src/core/index.ts';
import { partsOf, type Sample, selectRows } from '../../src/data/index.ts';

const tableOf = (samples: readonly Sample[]) => ({
  length: samples.length,
  labelled: samples[0]?.label !== undefined,
  sample: (row: number): Sample => samples[row]!,
});

const samples = fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 60 }).chain((keys) =>
  fc.oneof(
    fc.constant(keys.map((key): Sample => ({ key }))),
    fc
      .array(fc.nat(4), { minLength: keys.length, maxLength: keys.length })
      .map((labels) => keys.map((key, i): Sample => ({ key, label: labels[i]! }))),
  ),
);

const keysOf = (rows: Uint32Array, table: readonly Sample[]): string[] => [...rows].map((row) => table[row]!.key);

test('a limit is balanced, in table order, and contains every smaller limit', () => {
  fc.assert(
    fc.property(samples, fc.integer({ min: 1, max: 70 }), fc.nat(), (table, limit, seed) => {
      const rows = selectRows(tableOf(table), { limit, seed });
      assert.equal(rows.length, Math.min(limit, table.length));
      assert.ok(rows.every((row, i) => i === 0 || rows[i - 1]! < row));
      const counts = (of: Iterable<Sample>) => {
        const found = new Map<number, number>();
        for (const { label = 0 } of of) found.set(label, (found.get(label) ?? 0) + 1);
        return found;
      };
      const chosen = counts([...rows].map((row) => table[row]!));
      const most = Math.max(...chosen.values());
      // A class has fewer than the largest by more than one only if it has no more samples.
      for (const [label, all] of counts(table)) {
        const count = chosen.get(label) ?? 0;
        assert.ok(count >= most - 1 || count === all);
      }
      if (limit > 1) {
        const smaller = selectRows(tableOf(table), { limit: limit - 1, seed });
        assert.ok(smaller.every((row) => rows.includes(row)));
      }
    }),
  );
});

test('a limit chooses the same samples in any order of the table', () => {
  fc.assert(
    fc.property(
      samples,
      fc.integer({ min: 1, max: 60 }),
      fc.nat(),
      fc.infiniteStream(fc.nat()),
      (table, limit, seed, noise) => {
        const weights = new Map(table.map((sample) => [sample, noise.next().value as number]));
        const shuffled = [...table].sort((a, b) => weights.get(a)! - weights.get(b)!);
        const of = (list: readonly Sample[]) => keysOf(selectRows(tableOf(list), { limit, seed }), list).sort();
        assert.deepEqual(of(shuffled), of(table));
      },
    ),
  );
});

test('another seed chooses other samples', () => {
  const table = tableOf(Array.from({ length: 1000 }, (_, i) => ({ key: String(i), label: i % 10 })));
  const [a, b] = [1, 2].map((seed) => new Set(selectRows(table, { limit: 100, seed })));
  // 10 of 100 in each class: 10 are expected in common; 50 would be no accident.
  assert.ok([...a!].filter((row) => b!.has(row)).length < 30);
});

test('rows cut the table before the limit, and must exist', () => {
  const table = tableOf(Array.from({ length: 10 }, (_, i) => ({ key: String(i) })));
  assert.deepEqual([...selectRows(table, { rows: { start: 2, end: 5 } })], [2, 3, 4]);
  assert.deepEqual([...selectRows(table, { rows: { start: 8 } })], [8, 9]);
  assert.deepEqual([...selectRows(table, { rows: { end: 2 } })], [0, 1]);
  assert.ok(selectRows(table, { rows: { start: 4, end: 8 }, limit: 2 }).every((row) => row >= 4 && row < 8));
  for (const [start, end] of [[5, 5], [5, 4], [0, 11], [10], [-1], [0.5], [0, Number.NaN]]) {
    assert.throws(() => selectRows(table, { rows: { start, end } }), { code: 'USAGE' }, `${start}:${end}`);
  }
  for (const limit of [0, -1, 1.5, Number.NaN]) assert.throws(() => selectRows(table, { limit }), { code: 'USAGE' });
  assert.throws(() => selectRows(table, { limit: 1, seed: -1 }), { code: 'USAGE' });
});

test('the parts of n workers cover all rows once, with boundaries that do not depend on n', () => {
  fc.assert(
    fc.property(fc.nat(500), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 12 }), (rows, size, count) => {
      const all = partsOf(rows, size);
      const workers = [...Array(count).keys()].flatMap((index) => partsOf(rows, size, { index, count }));
      assert.deepEqual(
        workers.sort((a, b) => a.index - b.index),
        all,
      );
      assert.deepEqual(
        all.flatMap(({ start, end }) => [start, end]),
        all.flatMap((_, p) => [p * size, Math.min(rows, (p + 1) * size)]),
      );
      assert.equal(all.at(-1)?.end ?? 0, rows);
    }),
  );
});

test('strings compare as their UTF-8 bytes', () => {
  const text = fc.string({ unit: 'binary' });
  const sign = (value: number): number => Math.sign(value);
  fc.assert(
    fc.property(text, text, (a, b) => {
      assert.equal(sign(compareUtf8(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
    {
      examples: [
        ['ﬀ', '😀'],
        ['a', 'ab'],
        ['ｚ', '😀'],
      ],
    },
  );
});
