/** The table of other sets of images: classes by name, scores among the set's own classes, differences to the same classes of the clean images. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openDataset } from '../../../../src/data/index.ts';
import { unpairedInterval } from '../../../../src/evaluate/intervals.ts';
import { namedAlike } from '../../../../src/evaluate/sets/set-classes.ts';
import { type DataOptions, evaluate } from '../../../../src/index.ts';
import { fashionLabels, fashionPixels, pngs, writeTree } from '../../../support/dataset-files.ts';
import { expectFailure } from '../../../support/expect-failure.ts';
import { SNAPSHOTS } from '../../../support/fashion.ts';
import { softmax } from '../../../support/synthetic-predictions.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const root = tempFolder();
const MODEL = SNAPSHOTS[0] as string;
const TRANSFORM = { preset: 'none', size: 20, mean: [0.286], std: [0.353] } as const;
const N = 160;
const LABELS = fashionLabels(N);
const PNGS = await pngs(fashionPixels(N));
const nameOf = (label: number): string => `n0${1440764 + label}`;

/** Class folders of some images, called by the classes. */
function folder(name: string, images: readonly number[], called: (label: number) => string = nameOf): string {
  const files = images.map((i) => [`${called(LABELS[i] as number)}/${i}.png`, PNGS[i] as Uint8Array] as const);
  return writeTree(join(root, name), Object.fromEntries(files));
}

const all = Array.from({ length: N }, (_, i) => i);
const [first, second] = [all.slice(0, 80), all.slice(80)];
const OWN = [1, 4, 6, 9];
const clean = folder('clean', first);
const some = second.filter((i) => OWN.includes(LABELS[i] as number));
const subset = folder('subset', some);
const options = (sets: readonly { name: string; data: DataOptions }[], source = clean) =>
  ({ models: [MODEL], data: { source }, sets, transform: TRANSFORM, device: 'cpu', threads: 1, workers: 1 }) as const;

/** Top-1 and mean NLL of images, by hand from all scores, among some classes. */
async function byHand(source: string, classes: string | undefined, among: readonly number[]) {
  const data = { source, classes };
  const { models } = await evaluate({ ...options([]), sets: undefined, data, logits: true });
  const [model] = models;
  const rows = [...(model?.scores?.rows() ?? [])];
  let [n, right, nll] = [0, 0, 0];
  for (const [i, row] of rows.entries()) {
    const at = among.indexOf(model?.predictions.labels[i] as number);
    if (at < 0) continue;
    const p = softmax(among.map((k) => row[k] as number));
    n++;
    right += Number(p.indexOf(Math.max(...p)) === at);
    nll -= Math.log(p[at] as number);
  }
  return { n, right, top1: right / n, nll: nll / n };
}

const close = (found: unknown, expected: number): void =>
  assert.ok(Math.abs(Number(found) - expected) < 1e-12, `${String(found)} ${expected}`);

test('the interval of a difference of other images is that of Newcombe (1998), method 10', () => {
  const { lo, hi } = unpairedInterval({ right: 48, n: 80 }, { right: 56, n: 70 });
  assert.deepEqual([lo.toFixed(4), hi.toFixed(4)], ['0.0524', '0.3339']);
  // The paper's other cases: 9/10 - 3/10, 6/7 - 2/7, 10/10 - 0/20, 10/10 - 0/10.
  const cases = [
    [9, 10, 3, 10, 0.1705, 0.809],
    [6, 7, 2, 7, 0.0582, 0.8062],
    [5, 56, 0, 29, -0.0381, 0.1926],
    [10, 10, 0, 20, 0.6791, 1],
    [10, 10, 0, 10, 0.6075, 1],
  ] as const;
  for (const [a, m, b, n, expectedLo, expectedHi] of cases) {
    const found = unpairedInterval({ right: b, n }, { right: a, n: m });
    assert.deepEqual(
      [found.lo.toFixed(4), found.hi.toFixed(4)],
      [expectedLo.toFixed(4), expectedHi.toFixed(4)],
      `${a}/${m}`,
    );
  }
});

test('a set of some classes is matched by name, and scored among them, as the clean images of these classes are', async () => {
  const { sets, models } = await evaluate(options([{ name: 'r', data: { source: subset } }]));
  const [row] = sets;
  const map = join(root, 'map.txt');
  writeTree(root, { 'map.txt': Array.from({ length: 10 }, (_, k) => nameOf(k)).join('\n') });
  const [there, here] = [await byHand(subset, map, OWN), await byHand(clean, undefined, OWN)];
  assert.deepEqual(
    [row?.set, row?.classes, row?.scored, row?.n_images, row?.clean_n_images],
    ['r', 4, 'own', there.n, here.n],
  );
  close(row?.top1, there.top1);
  close(row?.nll, there.nll);
  close(row?.clean_top1, here.top1);
  close(row?.clean_nll, here.nll);
  close(row?.top1_difference, there.top1 - here.top1);
  const { lo, hi } = unpairedInterval(here, there);
  assert.deepEqual([row?.top1_difference_lo, row?.top1_difference_hi], [lo, hi]);
  // The table leaves the scores of all images as they are.
  assert.equal(models[0]?.fields.n_images, first.length);
});

test('among all classes, if that is asked for', async () => {
  const { sets } = await evaluate({ ...options([{ name: 'r', data: { source: subset } }]), setScores: 'all' });
  const every = Array.from({ length: 10 }, (_, k) => k);
  const map = join(root, 'map.txt');
  const there = await byHand(subset, map, every);
  assert.equal(sets[0]?.scored, 'all');
  close(sets[0]?.top1, there.top1);
  close(sets[0]?.nll, there.nll);
});

test('folders that are numbers are asked about: as text, 10 would stand before 2', async () => {
  const numbers = (label: number): string => String(label + 2);
  const data = { source: folder('numbers', second, numbers) };
  await expectFailure('MISMATCH_VALUE', [/set v2: .*set\.classes` v2=numeric/s], () =>
    evaluate(options([{ name: 'v2', data }])),
  );
  const shifted = await evaluate(
    options([{ name: 'v2', data: { source: folder('digits', second, String), classes: 'numeric' } }]),
  );
  const named = await evaluate(options([{ name: 'v2', data: { source: folder('named', second) } }]));
  assert.equal(shifted.sets[0]?.top1, named.sets[0]?.top1);
  assert.equal(shifted.sets[0]?.scored, 'all');
});

test('classes that nobody knows, that the clean images lack, or that are one alone are refused', async () => {
  const other = folder('other', some, (label) => (label === 4 ? 'n99999999' : nameOf(label)));
  await expectFailure('MISMATCH_VALUE', [/n99999999 of 4 is not in .*clean/], () =>
    evaluate(options([{ name: 'r', data: { source: other } }])),
  );
  const lacking = first.filter((i) => LABELS[i] !== 4);
  const classes = join(root, 'map.txt');
  const without = {
    ...options([{ name: 'r', data: { source: subset } }]),
    data: { source: folder('lacking', lacking), classes },
  };
  await expectFailure('MISMATCH_VALUE', [/class 4.*none/], () => evaluate(without));
  const one = folder(
    'one',
    second.filter((i) => LABELS[i] === 4),
  );
  await expectFailure('MISMATCH_VALUE', [/always right.*setScores/s], () =>
    evaluate(options([{ name: 'r', data: { source: one } }])),
  );
});

test('names of images and of a model that disagree are refused; a name that stands twice is none', async () => {
  const set = await openDataset(subset);
  const names = OWN.map(nameOf);
  const known = (source: string, list: readonly string[]) => ({ source, names: list });
  const labels = (from: readonly { source: string; names: readonly string[] }[]) =>
    namedAlike(set, from, 10).sample(0).label;
  assert.equal(labels([known('a', ['x', ...names])]), 1);
  assert.throws(() => labels([known('a', names), known('b', ['x', ...names])]), /is 0 in a, and 1 in b/);
  assert.throws(() => labels([known('a', [...names, names[0] as string])]), /not in a/);
  assert.equal(labels([known('b', ['x']), known('a', ['x', ...names])]), 1);
  assert.notEqual(namedAlike(set, [known('a', ['x', ...names])], 10).tableHash(), set.tableHash());
  await set.close();
});

test('real labels are a set of the same images: the interval of pairs', async () => {
  const path = join(root, 'real.json');
  const keys = (await openDataset(clean)).length;
  writeTree(root, {
    'real.json': JSON.stringify(Array.from({ length: keys }, (_, i) => (i % 8 === 0 ? [] : [i % 10, 3]))),
  });
  const record = await evaluate({ ...options([{ name: 'r', data: { source: subset } }]), realLabels: path });
  const [real, other] = record.sets;
  const { fields, predictions } = record.models[0] as (typeof record.models)[number];
  assert.deepEqual([real?.set, real?.paired, other?.paired], ['real labels', true, false]);
  assert.deepEqual([real?.n_images, real?.top1], [fields.n_real, fields.real_top1]);
  const kept = [...predictions.labels.keys()].filter((i) => i % 8 !== 0);
  const right = kept.filter((i) => predictions.top5[5 * i] === predictions.labels[i]).length;
  close(real?.clean_top1, right / kept.length);
  close(real?.top1_difference, Number(real?.top1) - right / kept.length);
});
