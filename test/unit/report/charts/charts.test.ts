/** Pictures as they are laid out for a phone and for a desk: everything within the frame, no text over another. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { textWidth } from '../../../../src/report/charts/text-width.ts';
import { type Chart, chartSvg } from '../../../../src/report/index.ts';
import { type Element, parseMarkup } from '../../../support/markup-tokens.ts';
import { SAMPLE_CHARTS } from '../../../support/sample-page.ts';

/** A margin of 16 px, and the group within it that everything but the title is drawn in. */
const MARGIN_PX = 16;
const FONT_PX = 12;

function textBox({ attributes: { class: classes = '', x, y }, text }: Element) {
  const width = textWidth(text, FONT_PX);
  const shift = classes.includes('middle') ? width / 2 : classes.includes('end') ? width : 0;
  const left = Number(x) - shift;
  return { text, left, right: left + width, top: Number(y) - 10, bottom: Number(y) + 2 };
}

const long = 'a-rather-long-name-of-a-run/with-a-long-name-of-a-file-epoch_0025.onnx';
const CROWDED: readonly Chart[] = [
  {
    kind: 'scatter',
    title: 'Forty points in a corner, with long names',
    description: '',
    x: { label: long, unit: long },
    y: { label: long, percent: true },
    front: true,
    points: Array.from({ length: 40 }, (_, i) => ({
      x: 1000 + (i % 7),
      y: 0.9 - 0.0001 * (i % 11),
      label: `${long}${i}`,
      group: `${long}${i % 6}`,
    })),
  },
  {
    kind: 'lines',
    title: 'Many ticks and markers',
    description: '',
    x: { label: 'test size', unit: 'px', ticks: Array.from({ length: 60 }, (_, i) => 1000 + 32 * i) },
    y: { label: 'top-1', percent: true },
    series: [
      {
        name: long,
        points: [
          { x: 1000, y: 0.88 },
          { x: 2888, y: 0.881, label: long },
        ],
      },
    ],
    markers: [1000, 1010, 2800, 2888].map((at) => ({ axis: 'x' as const, at, label: `${long} ${at}` })),
  },
  {
    kind: 'dots',
    title: 'One value',
    description: '',
    axis: { label: long },
    dots: [{ label: long, value: 123456.789 }],
  },
];

for (const chart of [...SAMPLE_CHARTS, ...CROWDED]) {
  for (const widthPx of chart.kind === 'reliability' ? [340] : [340, 760]) {
    test(`${chart.kind}, "${chart.title}", ${widthPx} px: texts lie within the picture and apart`, () => {
      const elements = parseMarkup(chartSvg(chart, widthPx));
      const height = Number(elements[0]?.attributes.height) - 2 * MARGIN_PX;
      const boxes = elements
        .filter(({ tag, attributes }) => tag === 'text' && attributes.class !== 'title')
        .map(textBox);
      for (const box of boxes) {
        assert.ok(box.left >= -1 && box.right <= widthPx + MARGIN_PX && box.bottom <= height, JSON.stringify(box));
      }
      for (const [i, a] of boxes.entries()) {
        for (const b of boxes.slice(i + 1)) {
          const apart = a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
          assert.ok(apart, `"${a.text}" over "${b.text}"`);
        }
      }
    });
  }
  test(`${chart.kind}, "${chart.title}": an image with title and description`, () => {
    const [svg, title, desc] = parseMarkup(chartSvg(chart));
    assert.equal(svg?.attributes.role, 'img');
    assert.deepEqual([title?.tag, title?.text], ['title', chart.title]);
    assert.deepEqual([desc?.tag, desc?.text], ['desc', chart.description]);
    assert.equal(svg?.attributes['aria-labelledby'], `${title?.attributes.id} ${desc?.attributes.id}`);
  });
}
