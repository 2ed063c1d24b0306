import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chartSvg, htmlReport } from '../../../src/report/index.ts';
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
