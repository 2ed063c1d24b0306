/** The picture of a confusion matrix: what a cell says, and that names of classes stay text. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chartSvg, markdownReport } from '../../../../src/report/index.ts';

const cells = [
  { row: 0, column: 0, count: 9, share: 0.9 },
  { row: 0, column: 1, count: 1, share: 0.1 },
  { row: 1, column: 1, count: 4, share: 1 },
];
const chart = { kind: 'matrix', title: 'Confusion', description: 'Two.', names: ['cat', '<b>dog'], cells } as const;

test('each cell has its share, and says the classes and the images; names stay text', () => {
  const svg = chartSvg(chart);
  assert.equal(svg.match(/<rect class="bar/g)?.length, 3);
  assert.match(svg, /<title>cat taken for &lt;b&gt;dog: 1 images, 10\.0 %<\/title>/);
  assert.match(svg, />90<\/text>/);
  assert.ok(!svg.includes('<b>'));
});

test('twenty classes fit on a phone, without numbers that would overlap', () => {
  const names = Array.from({ length: 20 }, (_, i) => `a class with a long name, number ${i}`);
  const many = names.map((_, i) => ({ row: i, column: i, count: 5, share: 0.5 }));
  const svg = chartSvg({ ...chart, names, cells: many }, 340);
  const rights = [...svg.matchAll(/<rect class="bar[^>]* x="([\d.]+)"[^>]* width="([\d.]+)"/g)];
  assert.equal(rights.length, 20);
  for (const [, x, width] of rights) assert.ok(Number(x) + Number(width) <= 340.1);
  assert.ok(!svg.includes('>50</text>'));
});

test('where there are no pictures, the cells are a table', () => {
  const page = { title: 't', command: 'c', sections: [{ heading: 'h', parts: [chart] }], provenance: [] };
  assert.match(markdownReport(page), /\| cat \| \\<b\\>dog \| 1 \| 10\.0 \|/);
});
