/** Which rows may be chosen, and what they cost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TemperError } from '../../../../src/core/index.ts';
import { chooseSizes, costsOf } from '../../../../src/resolution/sweep/choices.ts';
import { type SweptCell, sweptRows } from '../../../../src/resolution/sweep/rows.ts';
import { analysis, cell, evaluation, rowModel, SETTINGS, swept } from './made-up-rows.ts';

const model = rowModel('m.onnx', {
  analysisAt: (_, size) => ({
    ...analysis(size),
    findings: size === 288 ? [{ node: 'n', operator: 'Slice', what: 'cuts' }] : [],
  }),
});
const failed = { failed: new TemperError('EXECUTION_RUN', 'it does not run') };
const choose = (cells: readonly SweptCell[]) => chooseSizes(sweptRows(cells, SETTINGS), 0);

test('safe rows and the train size are considered; what is blocked or suspect is not, however good it looks', () => {
  const [one, ...others] = choose([
    swept(model, cell(192), failed),
    swept(model, cell(224), evaluation(0.5, 100, 4000)),
    swept(model, cell(256), evaluation(0.8, 100, 4000)),
    swept(model, cell(288), evaluation(0.95, 100, 4000)),
  ]);
  assert.equal(others.length, 0);
  assert.deepEqual(
    one?.considered.map(({ size }) => size),
    [224, 256],
  );
  assert.deepEqual([one?.baseline.size, one?.best.size, one?.recommended.size], [224, 256, 256]);
});

test('of equal sizes the row that needs no further work is recommended', () => {
  const [one] = choose([
    swept(model, cell(224), evaluation(0.2, 100, 4000)),
    swept(model, cell(256, { variant: 'recalibrated' }), evaluation(0.8, 100, 4000)),
    swept(model, cell(256), evaluation(0.8, 100, 4000)),
  ]);
  assert.equal(one?.recommended.variant, 'keep');
});

test('each model has its own choice; one with nothing to choose from, or whose train size failed, has none', () => {
  const [second, third] = [rowModel('n.onnx'), rowModel('o.onnx')];
  const found = choose([
    swept(model, cell(224), evaluation(0.5, 100)),
    swept(second, cell(224), failed),
    swept(second, cell(256), evaluation(0.5, 100)),
    swept(third, cell(224), evaluation(0.5, 100)),
    swept(third, cell(192), evaluation(0.6, 100)),
  ]);
  assert.deepEqual(
    found.map(({ model: name }) => name),
    ['o.onnx'],
  );
});

test('the graph tells the cost where it is known for all rows, else the pixels do', () => {
  const row = (size: number, known: boolean) => ({
    size,
    variant: 'keep' as const,
    analysis: { ...analysis(size), ...(known ? {} : { gmacs: undefined }) },
  });
  assert.deepEqual(costsOf([row(100, true), row(200, true)]), [1, 4]);
  assert.deepEqual(costsOf([row(100, true), row(200, false)]), [10_000, 40_000]);
});
