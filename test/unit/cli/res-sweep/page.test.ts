/** What the report and the text say of a sweep. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { choiceSentences } from '../../../../cli/res-sweep/choice-text.ts';
import { sweepPage } from '../../../../cli/res-sweep/page.ts';
import { chooseSizes } from '../../../../src/resolution/sweep/choices.ts';
import { type SweptRow, sweptRows } from '../../../../src/resolution/sweep/rows.ts';
import { cell, evaluation, rowModel, SETTINGS, swept } from '../../resolution/sweep/made-up-rows.ts';

const model = rowModel('m.onnx');

function curvesOf(rows: readonly SweptRow[]): [name: string, points: number][] {
  const page = sweepPage(
    { rows, choices: [], readings: [], predictions: undefined, warnings: [], badImages: [] },
    'res-sweep',
  );
  const chart = page.sections[0]?.parts.find((part) => typeof part !== 'string' && part.kind === 'lines');
  if (typeof chart === 'string' || chart?.kind !== 'lines') throw new Error('no chart of lines');
  return chart.series.map(({ name, points }) => [name, points.length]);
}

test('a crop ratio that was asked for is one curve, whatever whole pixels make of it at each size', () => {
  const cells = [224, 230, 237, 243].flatMap((size) => [
    cell(size, { cropRatio: 0.95 }),
    cell(size, { cropRatio: 0.875, baseline: false }),
  ]);
  const rows = sweptRows(
    cells.map((one) => swept(model, one, evaluation(0.7, 100))),
    SETTINGS,
  );
  assert.deepEqual(curvesOf(rows), [
    ['crop 0.95', 4],
    ['crop 0.875', 4],
  ]);
});

test('curves are named by what differs', () => {
  const rows = (names: readonly string[]) =>
    sweptRows(
      names.map((name) => swept(rowModel(name), cell(224), evaluation(0.7, 100))),
      SETTINGS,
    );
  assert.deepEqual(curvesOf(rows(['m.onnx'])), [['top-1', 1]]);
  assert.deepEqual(curvesOf(rows(['m.onnx', 'n.onnx'])), [
    ['m.onnx', 1],
    ['n.onnx', 1],
  ]);
});

test('where the images cannot tell sizes apart, the train size is kept for that reason, also if it looks best', () => {
  const rows = sweptRows(
    [swept(model, cell(224), evaluation(0.75, 100, 40)), swept(model, cell(256), evaluation(0.74, 100, 40))],
    SETTINGS,
  );
  const [choice] = chooseSizes(rows, 0);
  assert.ok(choice && !choice.choice.separated && choice.best === choice.baseline);
  const { verdict, recommended } = choiceSentences(choice);
  assert.match(verdict, /cannot tell these sizes apart/);
  assert.match(
    recommended,
    /^Recommended: 224 px .*: the train size, which is the best; no cheaper row is shown by the 20 images that chose to lose at most 1\.00 points\.$/,
  );
});

test('of more curves than a picture can show there is a picture for each model, and each has its own', () => {
  const models = ['m.onnx', 'n.onnx', 'o.onnx'].map((name) => rowModel(name));
  const rows = sweptRows(
    models.flatMap((one, m) =>
      [0.8, 0.85, 0.9, 0.95].flatMap((cropRatio, i) =>
        [192, 224].map((size) =>
          swept(one, cell(size, { model: m, cropRatio, baseline: size === 224 && i === 0 }), evaluation(0.7, 100)),
        ),
      ),
    ),
    SETTINGS,
  );
  const page = sweepPage(
    { rows, choices: [], readings: [], predictions: undefined, warnings: ['odd'], badImages: [] },
    'res-sweep',
  );
  const charts = (page.sections[0]?.parts ?? []).flatMap((part) =>
    typeof part !== 'string' && part.kind === 'lines' ? [part] : [],
  );
  assert.deepEqual(
    charts.map(({ title, series }) => [title, series.length]),
    models.map(({ name }) => [`Top-1 by test size: ${name}`, 4]),
  );
  assert.ok(
    page.sections[0]?.parts.some((part) => typeof part !== 'string' && part.kind === 'verdict' && part.text === 'odd'),
  );
});

test('the recommendation is one sentence with what both halves say', () => {
  const of = (shares: readonly [number, number]) => {
    const rows = sweptRows(
      [
        swept(model, cell(192), evaluation(shares[0], 100, 4000)),
        swept(model, cell(224), evaluation(shares[1], 100, 4000)),
      ],
      SETTINGS,
    );
    const [choice] = chooseSizes(rows, 0, 0.02);
    if (!choice) throw new Error('enough images');
    return choiceSentences(choice).recommended;
  };
  assert.match(
    of([0.75, 0.75]),
    /^Recommended: 192 px \(.*\), \d\d\.\d\d % on the other half: chosen by 2000 images as the cheapest row that loses at most 2\.00 points, and confirmed by the other 2000, where it has 0\.00 \(.*, p = 1\.0000\) against 224 px\.$/,
  );
  assert.match(of([0.5, 0.75]), /: the train size, which is the best; no cheaper row is shown by the 2000 images/);
});
