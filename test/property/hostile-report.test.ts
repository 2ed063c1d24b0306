/** Names in files are hostile: whatever they hold, a report has the elements that it would have with harmless names. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { printableLines } from '../../src/core/index.ts';
import { type Chart, chartSvg, htmlReport, markdownReport, type Page } from '../../src/report/index.ts';
import { parseMarkup } from '../support/markup-tokens.ts';

const ATTACKS = [
  '</script><script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  '<!--',
  ']]>',
  '--><svg onload=alert(1)>',
  '&lt;b&gt;&amp;&#x3c;&nbsp',
  '{{constructor}}',
  '\u202egnp.exe',
  '\ud800',
  '\u0000\u0007\ufffe\u2028',
  'javascript:alert(1)',
  '| a | b |\n|---|---|',
  '```\n# heading',
  '[x](http://example.org)![y](z)',
  '<details>*_~`$\\@',
  'ﷺ🧨👩‍👩‍👧',
  'a'.repeat(5000),
];
const hostile = fc.oneof(
  fc.constantFrom(...ATTACKS),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.array(fc.constantFrom(...ATTACKS), { minLength: 2, maxLength: 3 }).map((parts) => parts.join(' ')),
);

/** Every place where a report takes a string. */
function charts(name: string): Chart[] {
  const text = { title: name, description: name };
  const x = { label: name, unit: name };
  return [
    {
      kind: 'lines',
      ...text,
      x,
      y: x,
      series: [
        {
          name,
          points: [
            { x: 1, y: 2, low: 1, high: 3, name, label: name },
            { x: 2, y: 3, label: name },
          ],
        },
        { name, line: 'predicted', points: [{ x: 1, y: 2 }] },
      ],
      markers: [
        { axis: 'x', at: 1, label: name },
        { axis: 'y', at: 2, label: name },
      ],
    },
    { kind: 'scatter', ...text, x, y: x, front: true, points: [{ x: 1, y: 2, label: name, group: name }] },
    {
      kind: 'dots',
      ...text,
      axis: x,
      dots: [
        { label: name, value: 1, group: name },
        { label: name, value: 2, low: 1, high: 3, group: `${name} ` },
      ],
      markers: [{ axis: 'x', at: 1, label: name }],
    },
  ];
}

const page = (name: string): Page => ({
  title: name,
  summary: name,
  command: name,
  sections: [
    {
      heading: name,
      parts: [
        name,
        { kind: 'verdict', tone: 'good', text: name },
        {
          kind: 'table',
          caption: name,
          columns: [
            { field: 'a', header: name, unit: name },
            { field: 'b', header: name },
          ],
          rows: [
            { a: name, b: 1 },
            { a: 'x', b: null },
          ],
        },
        ...charts(name),
      ],
    },
  ],
  provenance: [{ name, value: name }],
});

/** Labels and ticks of charts are left out where they have no room, and wide tables say that they go on: both depend on lengths. */
const ELASTIC = new Set(['text', 'line', 'caption', 'span']);
const skeleton = (markup: string): string[] =>
  parseMarkup(markup)
    .filter(({ tag }) => !ELASTIC.has(tag))
    .map(({ tag, attributes }) => `${tag} ${Object.keys(attributes).join(' ')}`);
const elasticKinds = (markup: string): Set<string> =>
  new Set(
    parseMarkup(markup)
      .filter(({ tag }) => ELASTIC.has(tag))
      .map(({ tag, attributes }) => `${tag} ${Object.keys(attributes).join(' ')}`),
  );

test('HTML and SVG: no name adds an element or an attribute', () => {
  const expected = skeleton(htmlReport(page('x')));
  const kinds = elasticKinds(htmlReport(page('x')));
  const expectedCharts = charts('x').map((chart) => skeleton(chartSvg(chart)));
  fc.assert(
    fc.property(hostile, (name) => {
      const html = htmlReport(page(name));
      assert.deepEqual(skeleton(html), expected);
      for (const kind of elasticKinds(html)) assert.ok(kinds.has(kind), kind);
      assert.deepEqual(
        charts(name).map((chart) => skeleton(chartSvg(chart))),
        expectedCharts,
      );
    }),
    { numRuns: 80 },
  );
});

test('HTML: a name is read back as it is shown, with controls and overrides as \\uXXXX', () => {
  fc.assert(
    fc.property(hostile, (name) => {
      const elements = parseMarkup(htmlReport(page(name)));
      const shown = printableLines(name).replace(/[\ufffe\uffff]/g, '\ufffd');
      const heading = elements.find(({ tag }) => tag === 'h1');
      assert.equal(heading?.text, shown);
      assert.equal(elements.find(({ tag }) => tag === 'code')?.text, shown);
      assert.equal(elements.find(({ tag }) => tag === 'td')?.text, shown);
    }),
    { numRuns: 80 },
  );
});

/** Lines as Markdown sees them: those of code blocks left out. */
function outsideFences(markdown: string): string[] {
  let fence: string | undefined;
  return markdown.split('\n').filter((line) => {
    const mark = /^(`{3,})/.exec(line)?.[1];
    if (fence === undefined && mark !== undefined) fence = mark;
    else if (fence !== undefined && line === fence) fence = undefined;
    else return fence === undefined;
    return false;
  });
}

test('Markdown: no name adds a line, a cell, a tag or a link', () => {
  const shape = (markdown: string): string[] =>
    outsideFences(markdown).map((line) => {
      const bare = line.replace(/\\[!-/:-@[-`{-~]/g, '').replace(/<\/?(details|summary)>/g, '');
      assert.doesNotMatch(bare, /[<\]]|\bhttps?:\/\//, line);
      return `${/^(#+ |> |\| )?/.exec(line)?.[0]}${bare.split('|').length}`;
    });
  const expected = shape(markdownReport(page('x')));
  fc.assert(
    fc.property(
      hostile.filter((name) => name.trim() !== ''),
      (name) => assert.deepEqual(shape(markdownReport(page(name))), expected),
    ),
    { numRuns: 80 },
  );
});

const anyNumber = fc.oneof(
  fc.double(),
  fc.double({ min: -2, max: 2, noNaN: true }),
  fc.constantFrom(0, -0, 1, 1e-300, 1e300, Number.NaN, Number.POSITIVE_INFINITY, null),
);
const finite = fc.double({ noNaN: true, noDefaultInfinity: true });

test('charts: no number, on any scale, puts NaN or Infinity into the picture', () => {
  const scale = fc.constantFrom('linear' as const, 'log' as const, 'decay' as const);
  const points = fc.array(fc.record({ x: finite, y: anyNumber, low: anyNumber, high: anyNumber }), { maxLength: 6 });
  fc.assert(
    fc.property(scale, scale, fc.boolean(), points, (xScale, yScale, percent, drawn) => {
      const text = { title: 'x', description: 'x' };
      const [x, y] = [
        { label: 'x', scale: xScale },
        { label: 'y', scale: yScale, percent },
      ];
      const markers = [
        { axis: 'x' as const, at: 0, label: 'm' },
        { axis: 'y' as const, at: 0, label: 'm' },
      ];
      const numbers = drawn.map((point) => ({ ...point, y: point.y ?? 0, label: 'p' }));
      const pictures: Chart[] = [
        { kind: 'lines', ...text, x, y, series: [{ name: 's', points: drawn }], markers },
        { kind: 'scatter', ...text, x, y, points: numbers, front: true },
        {
          kind: 'dots',
          ...text,
          axis: y,
          dots: numbers.map(({ y: value, low, high, label }) => ({ value, low, high, label })),
          markers,
        },
      ];
      for (const picture of pictures) assert.doesNotMatch(chartSvg(picture), /NaN|Infinity|undefined/);
    }),
    { numRuns: 300 },
  );
});
