import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chartTable } from '../../../../src/report/chart-table.ts';
import { type Chart, chartSvg } from '../../../../src/report/index.ts';

const chart = {
  kind: 'waterfall',
  title: 'What each step brought',
  description: 'Top-1.',
  axis: { label: 'top-1', percent: true, digits: 2 },
  start: { label: 'last <snapshot>', value: 0.8 },
  steps: [
    { label: 'average', change: 0.05, low: 0.03, high: 0.07 },
    { label: 'calibration', change: 0, low: null, high: null },
    { label: 'size', change: -0.01 },
  ],
  end: 'model.onnx',
} as const satisfies Chart;

test('the table has every value, each the sum of those before', () => {
  const { rows } = chartTable(chart);
  assert.deepEqual(
    rows.map(({ label, value }) => [label, Number(Number(value).toFixed(6))]),
    [
      ['last <snapshot>', 0.8],
      ['average', 0.85],
      ['calibration', 0.85],
      ['size', 0.84],
    ],
  );
});

test('bars begin where the one before ended; names stay text; a run without steps is one line', () => {
  const svg = chartSvg(chart);
  const bars = [...svg.matchAll(/<rect class="bar s0" x="([\d.]+)"[^>]* width="([\d.]+)"/g)].map(([, x, width]) => [
    Number(x),
    Number(width),
  ]);
  assert.equal(bars.length, 2);
  const [[x1 = 0, w1 = 0] = [], [x2 = 0, w2 = 0] = []] = bars;
  assert.ok(Math.abs(x1 + w1 - (x2 + w2)) < 0.02, svg);
  assert.ok(Math.abs(w1 / w2 - 5) < 0.05);
  assert.ok(svg.includes('last &lt;snapshot&gt;') && !svg.includes('<snapshot>'));
  assert.ok(!chartSvg({ ...chart, steps: [] }).includes('model.onnx'));
  assert.ok(!chartSvg(chart, 340).includes('NaN'));
});
