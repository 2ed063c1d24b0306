import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chartSvg } from '../../../../src/report/index.ts';
import { parseMarkup } from '../../../support/markup-tokens.ts';

test('symbols of seventy curves differ', () => {
  const elements = parseMarkup(
    chartSvg({
      kind: 'scatter',
      title: 'Many groups',
      description: '',
      x: { label: 'size' },
      y: { label: 'top-1' },
      points: Array.from({ length: 70 }, (_, i) => ({ x: i, y: i, label: String(i), group: String(i) })),
    }),
  );
  const looks = elements
    .filter(({ attributes }) => attributes.class?.startsWith('dot ') && attributes.transform !== undefined)
    .map(({ attributes }) => `${attributes.class} ${attributes.d}`);
  assert.equal(new Set(looks).size, 70);
});

test('twelve curves differ in colour or symbol, and in colour or dash', () => {
  const elements = parseMarkup(
    chartSvg({
      kind: 'lines',
      title: 'Twelve curves',
      description: '',
      x: { label: 'size' },
      y: { label: 'top-1' },
      series: Array.from({ length: 12 }, (_, i) => ({
        name: `curve ${i}`,
        points: [
          { x: 1, y: i },
          { x: 2, y: i },
        ],
      })),
    }),
  );
  const classed = (name: string) => elements.filter(({ attributes }) => attributes.class?.split(' ')[0] === name);
  const looks = classed('dot').map(({ attributes }) => `${attributes.class} ${attributes.d}`);
  assert.equal(new Set(looks).size, 12);
  assert.equal(new Set(classed('line').map(({ attributes }) => attributes.class)).size, 12);
});
