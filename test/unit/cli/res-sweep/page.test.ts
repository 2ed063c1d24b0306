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
  const page = sweepPage({ rows, choices: [], predictions: undefined, warnings: [], badImages: [] }, 'res-sweep');
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
