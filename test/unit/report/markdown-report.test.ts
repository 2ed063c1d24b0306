import assert from 'node:assert/strict';
import { test } from 'node:test';
import { markdownReport, type Page } from '../../../src/report/index.ts';
import { SAMPLE_PAGE } from '../../support/sample-page.ts';

const PAGE: Page = {
  title: 'swa_1.onnx at 2 sizes',
  summary: '- 20 px is best',
  command: "res-sweep 'a b.onnx' --sizes 16,20",
  sections: [
    {
      heading: 'Accuracy',
      parts: [
        '1. is how this paragraph begins, and _this_ is no emphasis',
        { kind: 'verdict', tone: 'good', text: 'Better.' },
        {
          kind: 'table',
          caption: 'Wilson intervals',
          columns: [
            { field: 'name', header: 'model' },
            { field: 'top1', header: 'top-1', percent: true, interval: ['lo', 'hi'] },
          ],
          rows: [
            { name: 'a|b.onnx', top1: 0.8853, lo: 0.88, hi: 0.89 },
            { name: 'c.onnx', top1: null },
          ],
          highlight: [0],
        },
      ],
    },
  ],
  provenance: [{ name: 'seed', value: 0 }],
};

test('title, command, paragraphs, verdicts, tables with intervals, provenance', () => {
  assert.equal(
    markdownReport(PAGE),
    `# swa_1.onnx at 2 sizes

\\- 20 px is best

\`\`\`sh
res-sweep 'a b.onnx' --sizes 16,20
\`\`\`

## Accuracy

1\\. is how this paragraph begins, and \\_this\\_ is no emphasis

> Better.

Wilson intervals

| model | top-1 (%) |
| --- | ---: |
| **a\\|b.onnx** | **88.53 (88.00 to 89.00)** |
| c.onnx |  |

## Provenance

| setting | value |
| --- | --- |
| seed | 0 |
`,
  );
});

test('a chart is its title, its description and its numbers, folded', () => {
  const markdown = markdownReport(SAMPLE_PAGE);
  assert.match(
    markdown,
    /\*\*Top-1 by EMA decay\.\*\* Flat from 0\.9 to 0\.99\.\n\n<details><summary>Numbers<\/summary>\n\n\| point \| decay per snapshot \| top-1 \(%\) \|\n/,
  );
  assert.match(markdown, /\| chosen \| 0\.8000 \| 88\.71 \|/);
});

test('a command with back-quotes gets a longer fence', () => {
  assert.match(markdownReport({ ...PAGE, command: 'a ````` b' }), /\n``````sh\na ````` b\n``````\n/);
});
