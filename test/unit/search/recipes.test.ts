import assert from 'node:assert/strict';
import { test } from 'node:test';
import { distinctRecipes, FAMILIES, lastCounts, linearRecipes, uniformRecipe } from '../../../src/search/recipes.ts';
import { epochs, named } from '../average/candidates.ts';

const quiet = { note: () => {} };
const all = { families: FAMILIES, ...quiet };

test('twelve snapshots: singles, every k, windows that are no mean of the last k, seven EMAs, five power profiles, three robust ones', () => {
  const recipes = linearRecipes(epochs(12), all);
  const count = (family: string): number => recipes.filter((recipe) => recipe.family === family).length;
  assert.deepEqual(['single', 'last', 'window', 'ema', 'power', 'robust'].map(count), [12, 11, 11, 7, 5, 3]);
  assert.equal(new Set(recipes.map(({ name }) => name)).size, recipes.length);
  for (const { name, row } of recipes) {
    assert.equal(row.coefficients.length, 12, name);
    const sum = row.coefficients.reduce((total, value) => total + value, 0);
    assert.ok(Math.abs(sum - row.divisor) < 1e-9 * Math.abs(row.divisor), name);
  }
  const keys = recipes.map(
    ({ row }) =>
      `${row.coefficients.map((value) => (value / row.divisor).toPrecision(12)).join()} ${row.kind === 'trimmed' ? row.trim : 0}`,
  );
  assert.equal(new Set(keys).size, keys.length, 'no two candidates are the same average');
});

test('hundreds of snapshots are not tried with every k', () => {
  const counts = lastCounts(1000);
  assert.ok(counts.length < 40, `${counts.length}`);
  assert.deepEqual(counts.slice(0, 3), [2, 3, 4]);
  assert.equal(counts.at(-1), 1000);
});

test('names without steps leave out the power profiles with a note, and fail where they were asked for', () => {
  const notes: string[] = [];
  const recipes = linearRecipes(named('a.onnx', 'b.onnx', 'c.onnx'), { ...all, note: (text) => notes.push(text) });
  assert.equal(recipes.filter(({ family }) => family === 'power').length, 0);
  assert.match(notes.join('\n'), /power-function EMAs are left out/);
  assert.throws(() => linearRecipes(named('a.onnx', 'b.onnx'), { ...all, sigmaRel: [0.1] }), /step/);
});

test('options replace the defaults, and a k beyond the snapshots is noted', () => {
  const notes: string[] = [];
  const recipes = linearRecipes(epochs(4), {
    families: ['last', 'ema'],
    last: [2, 9],
    decay: [0.5],
    note: (text) => notes.push(text),
  });
  assert.deepEqual(
    recipes.map(({ name }) => name),
    ['epoch_1', 'epoch_2', 'epoch_3', 'epoch_4', 'uniform_last2', 'ema_0.5'],
  );
  assert.match(notes.join(), /`last` 9 is left out/);
});

test('the same weights are one candidate, under the first name; other statistics of the same weights are another', () => {
  const recipes = linearRecipes(epochs(4), { families: ['last'], last: [4], ...quiet });
  const names = distinctRecipes([...recipes, { ...uniformRecipe(4), name: 'again' }]).map(({ name }) => name);
  assert.deepEqual(names, ['epoch_1', 'epoch_2', 'epoch_3', 'epoch_4', 'uniform']);
  const { row, ...uniform } = uniformRecipe(4);
  assert.equal(
    distinctRecipes([
      { ...uniform, row },
      { ...uniform, row: { ...row, kind: 'trimmed', trim: 1 } },
      { ...uniform, row: { ...row, kind: 'stock', base: 0 } },
      { ...uniform, row: { ...row, kind: 'stock', base: 1 } },
    ]).length,
    4,
  );
});

test('single snapshots of one file name are called by their folders', () => {
  const files = named('r/checkpoint-5/model.onnx', 'r/checkpoint-10/model.onnx');
  const recipes = linearRecipes(files, { families: [], note: () => {} });
  assert.deepEqual(
    recipes.map(({ name }) => name),
    ['checkpoint-5', 'checkpoint-10'],
  );
});
