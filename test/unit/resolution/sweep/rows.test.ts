/** The table of a sweep, from outcomes that are made up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TemperError } from '../../../../src/core/index.ts';
import { sweptRows } from '../../../../src/resolution/sweep/rows.ts';
import { analysis, cell, evaluation, rowModel, SETTINGS, swept } from './made-up-rows.ts';

const model = rowModel('m.onnx');
const failed = { failed: new TemperError('EXECUTION_RUN', 'it does not run') };

test('rows have the same fields in the same order, whatever was measured; a row that failed says why', () => {
  const rows = sweptRows([swept(model, cell(192), failed), swept(model, cell(224), evaluation(0.75, 100))], SETTINGS);
  const [blocked, own] = rows.map(({ fields }) => fields);
  assert.deepEqual(Object.keys(blocked ?? {}), Object.keys(own ?? {}));
  assert.deepEqual(
    [blocked?.verdict, blocked?.verdict_reason, blocked?.top1, blocked?.pareto, blocked?.img_s_model],
    ['blocked', 'it does not run', undefined, undefined, undefined],
  );
  assert.deepEqual([own?.verdict, own?.n_images, own?.pareto, own?.batch], ['safe', 400, true, 64]);
});

test('geometry: ratios to the train size, the effective crop ratio and the one that was asked for, the stride', () => {
  const asked = cell(230, { cropRatio: 0.95 });
  const [large, own] = sweptRows(
    [swept(model, asked, evaluation(0.7, 80)), swept(model, cell(224), evaluation(0.75, 100))],
    SETTINGS,
  ).map(({ fields }) => fields);
  assert.deepEqual(
    [large?.train_size, large?.test_size, large?.ratio, large?.inverse_ratio, large?.resize_size, large?.crop_ratio],
    [224, 230, 230 / 224, 224 / 230, 262, 230 / 262],
  );
  assert.deepEqual([large?.crop_ratio_asked, own?.crop_ratio_asked], [0.95, undefined]);
  assert.deepEqual([large?.stride_ok, own?.stride_ok, own?.map_height, own?.enlarged_share], [false, true, 7, 0.25]);
});

test('each row is compared with its own baseline, with the correction of its own model', () => {
  const other = rowModel('n.onnx');
  const rows = sweptRows(
    [
      swept(model, cell(192), evaluation(0.6, 100)),
      swept(model, cell(224), evaluation(0.75, 100)),
      swept(other, cell(224, { model: 1 }), evaluation(0.9, 100)),
      swept(other, cell(256, { model: 1 }), failed),
    ],
    SETTINGS,
  ).map(({ fields }) => fields);
  assert.deepEqual(
    rows.map(({ baseline }) => baseline),
    ['m.onnx at 224 px', undefined, undefined, undefined],
  );
  assert.equal(rows[0]?.mcnemar_p_holm, rows[0]?.mcnemar_p);
  assert.ok(Math.abs(Number(rows[0]?.top1_difference) - (Number(rows[0]?.top1) - Number(rows[1]?.top1))) < 1e-12);
});

test('the front is over all models; a run alone is as slow as the slower of decoding and inference', () => {
  const rows = sweptRows(
    [
      swept(model, cell(224), evaluation(0.75, 100)),
      swept(model, cell(256), evaluation(0.7, 90)),
      swept(rowModel('n.onnx'), cell(224), evaluation(0.6, 300)),
    ],
    SETTINGS,
  ).map(({ fields }) => fields);
  assert.deepEqual(
    rows.map(({ pareto, img_s_end2end }) => [pareto, img_s_end2end]),
    [
      [true, 100],
      [false, 90],
      [true, 200],
    ],
  );
});

test('a doubt about the copy holds at all sizes but the file’s own; findings make a row suspect', () => {
  const doubtful = rowModel('d.onnx', {
    fixedSize: 224,
    doubt: 'it differs',
    analysisAt: (_, size) => ({
      ...analysis(size),
      findings: size === 256 ? [{ node: 'n', operator: 'Slice', what: 'cuts' }] : [],
    }),
  });
  const rows = sweptRows(
    [192, 224, 256].map((size) => swept(doubtful, cell(size), evaluation(0.7, 100))),
    SETTINGS,
  );
  assert.deepEqual(
    rows.map(({ verdict }) => [verdict.verdict, verdict.reason]),
    [
      ['suspect', 'it differs'],
      ['safe', undefined],
      ['suspect', 'it differs; Slice n: cuts'],
    ],
  );
});

test('provenance: the rows as text, the name of the data set alone, images that were left out', () => {
  const [row] = sweptRows([swept(model, cell(224), evaluation(0.75, 100))], SETTINGS);
  const { rows, limit, data, n_bad_images, provider, seed } = row?.fields ?? {};
  assert.deepEqual([rows, limit, data, n_bad_images, provider, seed], ['10:', undefined, 'val', 3, 'cpu', 0]);
});
