import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { chartSvg, htmlReport, markdownReport } from '../../../src/report/index.ts';
import { parseMarkup } from '../../support/markup-tokens.ts';
import { SAMPLE_CHARTS, SAMPLE_PAGE } from '../../support/sample-page.ts';

const html = htmlReport(SAMPLE_PAGE);

test('the same page gives the same bytes', () => {
  assert.equal(htmlReport(structuredClone(SAMPLE_PAGE)), html);
  for (const chart of SAMPLE_CHARTS) assert.equal(chartSvg(structuredClone(chart)), chartSvg(chart));
});

test('nothing is loaded: no address but the name of SVG, and a policy that admits two hashes', () => {
  const addresses = [...html.matchAll(/\b(?:https?:|\/\/|url\(|@import|src=|href=)[^\s"']*/g)].map(([match]) => match);
  assert.deepEqual([...new Set(addresses)].sort(), ['href=', 'http://www.w3.org/2000/svg']);
  assert.match(
    html,
    /content="default-src &#39;none&#39;; style-src &#39;sha256-[\w+/=]+&#39;; script-src &#39;sha256-[\w+/=]+&#39;;/,
  );
});

const elements = parseMarkup(html);
const all = (tag: string) => elements.filter((element) => element.tag === tag);

test('numbers are sorted by their value, shown with their interval; the highlighted row is set off', () => {
  const cells = all('td').filter(({ attributes }) => attributes['data-sort'] === '0.8879');
  assert.ok(cells.some(({ text, attributes }) => text.trim() === '88.79' && attributes.class === 'number'));
  assert.ok(all('span').some(({ text, attributes }) => text === '88.14 to 89.44' && attributes.class === 'interval'));
  assert.equal(all('tr').filter(({ attributes }) => attributes.class === 'highlight').length, 1);
});

test('every chart has a picture for phones and one for wider screens, of one picture the identifiers are unique', () => {
  const wide = all('svg').filter(({ attributes }) => attributes.class === 'chart wide');
  const narrow = all('svg').filter(({ attributes }) => attributes.class === 'chart narrow');
  const square = all('svg').filter(({ attributes }) => attributes.class === 'chart');
  assert.deepEqual([wide.length, narrow.length, square.length], [5, 5, 2]);
  const ids = elements.flatMap(({ attributes: { id } }) => (id === undefined ? [] : [id]));
  assert.equal(new Set(ids).size, ids.length);
  for (const { attributes } of all('svg')) {
    for (const id of String(attributes['aria-labelledby']).split(' ')) assert.ok(ids.includes(id), id);
  }
});

test('every table can be scrolled with the keyboard, and has a name; its headings are those of columns', () => {
  assert.ok(all('th').every(({ attributes }) => attributes.scope === 'col'));
  for (const { attributes } of all('div').filter(({ attributes: { class: name } }) => name === 'scroll')) {
    assert.deepEqual([attributes.tabindex, attributes.role], ['0', 'region']);
    assert.notEqual(attributes['aria-label'], '');
  }
});

test('a table that a phone cuts says so, without a script; every table has a shadow where it goes on', () => {
  const cues = all('span').filter(({ attributes }) => attributes.class === 'sideways');
  assert.ok(cues.length > 0 && cues.length < all('table').length);
  for (const { text } of cues) assert.match(text, /^scroll sideways/);
  const style = all('style')[0]?.text ?? '';
  assert.match(style, /\.scroll\{[^}]*overflow-x:auto[^}]*var\(--shade\)[^}]*scroll\}/);
  assert.match(style, /\.sideways\{display:none/);
  assert.match(style, /@media \(max-width:40rem\)\{[^@]*\.sideways\{display:block\}/);
});

test('the policy names exactly the script and the style sheet of the page', () => {
  const policy = all('meta').find(({ attributes }) => attributes['http-equiv'] === 'Content-Security-Policy');
  const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  assert.equal(all('script').length + all('style').length, 2);
  assert.ok(policy?.attributes.content?.includes(`script-src ${hash(all('script')[0]?.text ?? '')};`));
  assert.ok(policy?.attributes.content?.includes(`style-src ${hash(all('style')[0]?.text ?? '')};`));
  assert.ok(
    elements.every(({ attributes }) => attributes.style === undefined),
    'a style attribute would be refused',
  );
});

test('a number and its unit stay on one line', () => {
  const [summary] = all('p').filter(({ attributes }) => attributes.class === 'summary');
  assert.match(summary?.text ?? '', /^Test at 24\u00a0px with recalibrated statistics: 88\.79\u00a0% \(/);
});

test('a column of pictures has images where cells hold a picture in base64, and nothing else ever', () => {
  const picture = 'data:image/webp;base64,UklGRg==';
  const cells = [
    picture,
    `${picture}" onerror="x`,
    'data:text/html;base64,AAAA',
    'http://example.org/x.webp',
    undefined,
  ];
  const table = {
    kind: 'table',
    caption: 'c',
    columns: [
      { field: 'picture', header: 'picture', picture: true },
      { field: 'key', header: 'image' },
    ],
    rows: cells.map((cell, i) => ({ picture: cell, key: `k${i}` })),
  } as const;
  const page = { title: 't', command: 'c', sections: [{ heading: 'h', parts: [table] }], provenance: [] };
  const found = parseMarkup(htmlReport(page)).filter(({ tag }) => tag === 'img');
  assert.deepEqual(
    found.map(({ attributes }) => attributes),
    [{ class: 'picture', src: picture, alt: '' }],
  );
  const words = markdownReport(page);
  assert.ok(!words.includes('data:') && words.includes('k4'), words);
});
