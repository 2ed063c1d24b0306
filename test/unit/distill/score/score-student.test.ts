import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoreRun, Teacher } from '../../../../src/distill/index.ts';
import { expectFailure } from '../../../support/expect-failure.ts';
import { goodRows, scoreMadeUp, studentLogits } from '../../../support/score-made-up.ts';
import { logitsOf, makeStore, sampleTable, storeRun } from '../../../support/target-store.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const C = 7;
const folder = tempFolder();
const base = storeRun();
const teachers = base.teachers.map((teacher): Teacher => ({ ...teacher, n_classes: C }));
const run = (change: Partial<StoreRun> = {}): StoreRun =>
  storeRun({ teachers, store_dtype: 'float32', temperatures: [2, 1, 5], ...change });
const rows = goodRows(base.n_samples, base.views);
const full = await makeStore(folder, 'full', run());

/** The definition, without any care for numerics. */
const softmax = (z: Iterable<number>, T: number): number[] => {
  const e = Array.from(z, (value) => Math.exp(value / T));
  const sum = e.reduce((a, b) => a + b);
  return e.map((value) => value / sum);
};
const naiveKl = (p: readonly number[], q: readonly number[]): number =>
  p.reduce((sum, value, k) => sum + value * Math.log(value / (q[k] as number)), 0);
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b) / values.length;
const near = (found: number | undefined, expected: number, tolerance: number, what = ''): void =>
  assert.ok(
    Math.abs((found ?? Number.NaN) - expected) <= tolerance * Math.abs(expected),
    `${what}: ${found}, ${expected}`,
  );
const rowKl = (t: number, row: number, T: number): number =>
  T * T * naiveKl(softmax(logitsOf(teachers[t] as Teacher, row), T), softmax(studentLogits(row, C), T));
const argmax = (z: Float64Array): number => z.indexOf(Math.max(...z));

test('KL, cross-entropy and entropy of each teacher are those of the definition, T² and batchmean', async () => {
  const { scores } = await scoreMadeUp(full);
  assert.deepEqual(
    scores.map(({ source, teacher, n_rows }) => [source, teacher, n_rows]),
    [
      ['teacher.onnx', 0, 20],
      ['second.onnx', 1, 20],
    ],
  );
  for (const [t, { temperatures }] of scores.entries()) {
    assert.deepEqual(
      temperatures.map(({ temperature }) => temperature),
      [2, 1, 5],
    );
    for (const found of temperatures) {
      const T = found.temperature;
      near(found.kl, mean(rows.map((row) => rowKl(t, row, T))), 1e-6, `teacher ${t}, T ${T}`);
      near(found.kl, T * T * (found.cross_entropy - found.entropy), 1e-12);
      near(found.kl_mean_reduction, found.kl / C, 1e-12);
      const p = (row: number): number[] => softmax(logitsOf(teachers[t] as Teacher, row), T);
      near(
        found.entropy,
        mean(rows.map((row) => -p(row).reduce((sum, value) => sum + value * Math.log(value), 0))),
        1e-6,
      );
      assert.deepEqual([found.kl_lower, found.kl_upper], [undefined, undefined]);
    }
  }
});

test('agreement, accuracy, classes and the worst rows are counted as defined', async () => {
  const [score] = (await scoreMadeUp(full)).scores;
  assert.ok(score);
  const best = rows.map((row) => ({
    row,
    teacher: argmax(logitsOf(teachers[0] as Teacher, row)),
    student: argmax(studentLogits(row, C)),
    five: [...studentLogits(row, C).entries()]
      .sort(([, a], [, b]) => b - a)
      .slice(0, 5)
      .map(([k]) => k),
    label: sampleTable(11).sample(Math.floor(row / 2)).label as number,
  }));
  const share = (of: (one: (typeof best)[number]) => boolean, among = best): number =>
    among.filter(of).length / among.length;
  assert.equal(
    score.agree1,
    share(({ teacher, student }) => teacher === student),
  );
  assert.equal(
    score.agree5,
    share(({ teacher, five }) => five.includes(teacher)),
  );
  assert.equal(
    score.teacher_top1,
    share(({ teacher, label }) => teacher === label),
  );
  assert.equal(
    score.student_top1,
    share(({ student, label }) => student === label),
  );
  assert.equal(
    score.student_top5,
    share(({ five, label }) => five.includes(label)),
  );
  assert.deepEqual(
    score.per_class.map((one) => one.class),
    [0, 1, 2, 3, 5, 6],
  );
  for (const one of score.per_class) {
    const among = best.filter(({ label }) => label === one.class);
    assert.equal(one.n_rows, among.length);
    assert.equal(
      one.student_top1,
      share(({ student, label }) => student === label, among),
    );
    near(one.kl[1], mean(among.map(({ row }) => rowKl(0, row, 1))), 1e-6);
  }
  const worst = rows.toSorted((a, b) => rowKl(0, b, 2) - rowKl(0, a, 2)).slice(0, 3);
  assert.deepEqual(
    score.worst.map(({ key, view }) => [key, view]),
    worst.map((row) => [sampleTable(11).sample(Math.floor(row / 2)).key, row % 2]),
  );
  near(score.temperatures[0]?.kl_max, rowKl(0, worst[0] as number, 2), 1e-6);
});

test("unlabelled data has no accuracy, and its classes are the teacher's", async () => {
  const [score] = (await scoreMadeUp(full, { labelled: false, worst: 0 })).scores;
  assert.deepEqual(
    [score?.teacher_top1, score?.teacher_top5, score?.student_top1, score?.student_top5, score?.worst],
    [undefined, undefined, undefined, undefined, []],
  );
  assert.deepEqual(
    score?.per_class.map((one) => one.class),
    [...new Set(rows.map((row) => argmax(logitsOf(teachers[0] as Teacher, row))))].sort((a, b) => a - b),
  );
});

test('ensembles: the mean of probabilities and of logits, weighted', async () => {
  for (const how of ['mean-probability', 'mean-logit'] as const) {
    const { scores } = await scoreMadeUp(full, { ensemble: { how, weights: [0.75, 0.25] } });
    const together = scores[2];
    assert.deepEqual([scores.length, together?.source, together?.teacher], [3, `ensemble (${how})`, undefined]);
    for (const { temperature: T, kl } of together?.temperatures ?? []) {
      const expected = rows.map((row) => {
        const [a, b] = teachers.map((teacher) => logitsOf(teacher, row)) as [Float64Array, Float64Array];
        const p =
          how === 'mean-logit'
            ? softmax(
                a.map((value, k) => 0.75 * value + 0.25 * (b[k] as number)),
                T,
              )
            : softmax(a, T).map((value, k) => 0.75 * value + 0.25 * (softmax(b, T)[k] as number));
        return T * T * naiveKl(p, softmax(studentLogits(row, C), T));
      });
      near(kl, mean(expected), 1e-6, `${how}, T ${T}`);
    }
  }
});

test('top-K: the bounds enclose the KL of whole rows at every K, and meet where all classes are stored', async () => {
  for (let k = 1; k <= C; k++) {
    const path = await makeStore(folder, `top-${k}`, run({ kind: 'top_k', top_k: k }));
    const [score] = (await scoreMadeUp(path)).scores;
    for (const { temperature: T, kl, kl_lower: lower = 0, kl_upper: upper = 0 } of score?.temperatures ?? []) {
      const truth = mean(rows.map((row) => rowKl(0, row, T)));
      const slack = 1e-6 * truth;
      assert.ok(lower <= truth + slack && truth <= upper + slack, `K ${k}, T ${T}: ${lower} ${truth} ${upper}`);
      assert.ok(lower <= kl + slack && kl <= upper + slack, `K ${k}, T ${T}: ${lower} ${kl} ${upper}`);
      // With a single class left there is nothing to spread.
      if (k >= C - 1) near(upper, lower, 1e-6);
      else assert.ok(upper > lower * 1.01, `K ${k}, T ${T}: the bounds say something`);
    }
    assert.equal(score?.teacher_top5 === undefined, k < 5, `top-5 accuracy of a top-${k} store`);
    assert.equal(score?.agree1, (await scoreMadeUp(full)).scores[0]?.agree1);
  }
});

test('a student of probabilities is scored by log p; outputs that are none are refused as such', async () => {
  const { scores } = await scoreMadeUp(full, { outputs: 'probabilities' }, studentLogits, 'Softmax');
  const reference = (await scoreMadeUp(full)).scores;
  await expectFailure('EXECUTION_OUTPUT', [/not probabilities/], () => scoreMadeUp(full, { outputs: 'probabilities' }));
  for (const [t, { kl }] of scores[0]?.temperatures.entries() ?? [])
    near(kl, reference[0]?.temperatures[t]?.kl ?? 0, 1e-5);
});

test("a class map picks the student's outputs that the stored classes are", async () => {
  // Output 6 - k, of which there are two more, is class k.
  const classMap = Array.from({ length: C }, (_, k) => C - 1 - k);
  const turned = (row: number): Float64Array => Float64Array.from([...studentLogits(row, C).reverse(), 50, 60]);
  const mapped = await scoreMadeUp(full, { output: '9', classMap }, turned);
  assert.deepEqual(mapped, await scoreMadeUp(full));
  await expectFailure('MISMATCH_VALUE', [/names output 9/], () =>
    scoreMadeUp(full, { output: '9', classMap: [9] }, turned),
  );
});

test('another number of classes, infinite logits and no rows are errors', async () => {
  await expectFailure('MISMATCH_VALUE', [/9 classes, the targets of teacher\.onnx have 7/], () =>
    scoreMadeUp(full, { output: '9' }),
  );
  const infinite = (row: number, classes: number): Float64Array =>
    studentLogits(row, classes).fill(Number.NEGATIVE_INFINITY, 2, 3);
  await expectFailure('NUMERIC_NONFINITE', [/class 2 -Infinity/], () => scoreMadeUp(full, {}, infinite));
});
