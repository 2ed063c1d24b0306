import assert from 'node:assert/strict';
import { test } from 'node:test';
import { searchPage, snapshotsChart } from '../../../../cli/avg-ckpt/search-page.ts';
import { htmlReport } from '../../../../src/report/index.ts';
import { candidate, searched } from './searched.ts';

const single = (i: number, right: number) => candidate(`epoch_${i}`, 'single', right);

test('the picture has every snapshot in its better form, the uniform average, and the best average of each kind', () => {
  const chart = snapshotsChart(
    searched(
      [
        single(1, 60),
        candidate('uniform', 'last', 70),
        candidate('epoch_1', 'single', 62, 'recalibrate'),
        single(2, 50),
        candidate('ema_0.5', 'ema', 66),
        candidate('uniform_last2', 'last', 71),
        candidate('uniform_last3', 'last', 65),
        candidate('ema_0.9', 'ema', 74),
      ],
      [60, 74],
    ),
  );
  assert.deepEqual(
    chart?.dots.map(({ label, value, group }) => [label, value, group]),
    [
      ['epoch_1, recalibrated', 0.62, 'single snapshot'],
      ['epoch_2', 0.5, 'single snapshot'],
      ['uniform', 0.7, 'average'],
      ['uniform_last2', 0.71, 'average'],
      ['ema_0.9', 0.74, 'average'],
    ],
  );
  assert.equal(chart?.background, 'single snapshot');
});

test('of a long run the best snapshots are drawn, and the caption says so', () => {
  const many = Array.from({ length: 40 }, (_, i) => single(i + 2, 20 + i));
  const record = searched(
    [single(1, 10), candidate('uniform', 'last', 70), ...many, candidate('ema_0.9', 'ema', 74)],
    [60, 74],
  );
  const chart = snapshotsChart(record);
  assert.equal(chart?.dots.filter(({ group }) => group === 'single snapshot').length, 30);
  assert.match(chart?.description ?? '', /the best 30 of 41 snapshots/);
  assert.ok(!chart?.dots.some(({ label }) => label === 'epoch_1'));
});

test('the page shows the picture, the report split first, and no picture where nothing was averaged', () => {
  const record = searched([single(1, 60), candidate('uniform', 'last', 70), candidate('ema_0.9', 'ema', 74)], [60, 74]);
  const page = searchPage(record, 'better\n', 'avg-ckpt search run/');
  assert.deepEqual(
    page.sections.map(({ heading }) => heading),
    ['On images that chose nothing', 'What was tried', 'All candidates', 'How the models were read'],
  );
  assert.match(htmlReport(page), /Averages beside the single snapshots/);
  const alone = searched([single(1, 60), single(1, 60)], [60, 60]);
  assert.equal(snapshotsChart(alone), undefined);
});
