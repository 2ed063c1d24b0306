import type { ReliabilityBin, ReliabilityChart } from '../chart.ts';
import { type Markup, markup, px } from '../markup.ts';
import { formatNumber } from '../number-format.ts';
import { placeAxis } from './axis.ts';
import { legend } from './legend.ts';
import { FONT_PX, seriesClass } from './palette.ts';
import type { Picture } from './picture.ts';

const LEFT_PX = 40;
const RIGHT_PX = 12;
const COUNTS_PX = 54;
const COUNTS_GAP_PX = 14;
const BAR_GAP_PX = 1;
const PERCENT = { percent: true, digits: 1 } as const;
const [RIGHT, OVERCONFIDENT, UNDERCONFIDENT] = [0, 1, 2];

function barText({ low, high, count, confidence, accuracy }: ReliabilityBin): string {
  const range = `confidence over ${formatNumber(low, PERCENT)} up to ${formatNumber(high, PERCENT)} %: ${count} images`;
  if (confidence === null || accuracy === null) return range;
  return `${range}\nmean confidence ${formatNumber(confidence, PERCENT)} %\nright ${formatNumber(accuracy, PERCENT)} %`;
}

/** Square, as both axes are probabilities; the gap of each bin reaches from its accuracy to its mean confidence. */
export function reliabilityPicture({ bins, ece, eceIfCalibrated }: ReliabilityChart, widthPx: number): Picture {
  const names = legend(
    [
      { name: 'right', series: RIGHT, mark: 'bar' },
      { name: 'too confident', series: OVERCONFIDENT, mark: 'gap' },
      { name: 'too modest', series: UNDERCONFIDENT, mark: 'gap' },
    ],
    0,
    0,
    widthPx,
  );
  const [left, right] = [LEFT_PX, widthPx - RIGHT_PX];
  const top = names.heightPx + FONT_PX + 12;
  const bottom = top + (right - left);
  const x = placeAxis({ label: '', percent: true }, [0, 1], [left, right], { count: 5 });
  const y = placeAxis({ label: '', percent: true }, [0, 1], [bottom, top], { count: 5 });
  const countsTop = bottom + COUNTS_GAP_PX;
  const countsBottom = countsTop + COUNTS_PX;
  const most = Math.max(...bins.map(({ count }) => count), 1);
  const total = bins.reduce((sum, { count }) => sum + count, 0);
  const grid = y.ticks.map(
    ({ at, label }) =>
      markup`<line class="grid" x1="${px(left)}" x2="${px(right)}" y1="${px(at)}" y2="${px(at)}"/><text class="quiet end" x="${px(left - 8)}" y="${px(at + 4)}">${label}</text>\n`,
  );
  const ticks = x.ticks.map(
    ({ at, label }) => markup`<text class="quiet middle" x="${px(at)}" y="${px(countsBottom + 16)}">${label}</text>\n`,
  );
  const bars = bins.map((bin): Markup => {
    const [from, to] = [x.at(bin.low) + BAR_GAP_PX, x.at(bin.high) - BAR_GAP_PX];
    const span = markup`x="${px(from)}" width="${px(Math.max(0, to - from))}"`;
    const count = (COUNTS_PX * bin.count) / most;
    const counts = markup`<rect class="count s4" ${span} y="${px(countsBottom - count)}" height="${px(count)}"/>`;
    if (bin.accuracy === null || bin.confidence === null) return counts;
    const [accuracy, confidence] = [y.at(bin.accuracy), y.at(bin.confidence)];
    const gap = bin.confidence > bin.accuracy ? OVERCONFIDENT : UNDERCONFIDENT;
    const common = Math.max(accuracy, confidence);
    const middle = px((from + to) / 2);
    const whisker =
      typeof bin.accuracyLow === 'number' && typeof bin.accuracyHigh === 'number'
        ? markup`<line class="exact" x1="${middle}" x2="${middle}" y1="${px(y.at(bin.accuracyLow))}" y2="${px(y.at(bin.accuracyHigh))}"/>`
        : undefined;
    return markup`<g><title>${barText(bin)}</title>${counts}<rect class="bar ${seriesClass(RIGHT)}" ${span} y="${px(common)}" height="${px(bottom - common)}"/><rect class="gap ${seriesClass(gap)}" ${span} y="${px(Math.min(accuracy, confidence))}" height="${px(Math.abs(accuracy - confidence))}"/>${whisker}</g>\n`;
  });
  const note = `ECE ${formatNumber(ece, { digits: 4 })}${eceIfCalibrated === undefined ? '' : ` (${formatNumber(eceIfCalibrated, { digits: 4 })} if calibrated)`}`;
  return {
    heightPx: countsBottom + 44,
    drawing: markup`${names.drawing}<text class="quiet" x="0" y="${px(names.heightPx + FONT_PX)}">right answers (%)</text>
${grid}${bars}<line class="marker" x1="${px(left)}" x2="${px(right)}" y1="${px(bottom)}" y2="${px(top)}"/>
<text class="halo" x="${px(left + 8)}" y="${px(top + 16)}">${note}</text>
<line class="axis" x1="${px(left)}" x2="${px(right)}" y1="${px(bottom)}" y2="${px(bottom)}"/><line class="axis" x1="${px(left)}" x2="${px(right)}" y1="${px(countsBottom)}" y2="${px(countsBottom)}"/>
<text class="quiet halo" x="${px(left + 8)}" y="${px(countsTop + 10)}">${total} images, at most ${most} in a bin</text>
${ticks}<text class="quiet middle" x="${px((left + right) / 2)}" y="${px(countsBottom + 36)}">confidence (%)</text>
`,
  };
}
