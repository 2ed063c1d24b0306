/** The page in a real browser, opt-in: ONNX_TEMPER_BROWSER=1, and ONNX_TEMPER_PICTURES=DIR to keep the pictures. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { textWidth } from '../../src/report/charts/text-width.ts';
import { htmlReport, type Page } from '../../src/report/index.ts';
import { type BrowserPage, openInBrowser, lacksBrowser as skip } from '../support/chromium.ts';
import { CUT_OFF, LOWEST_CONTRAST } from '../support/page-checks.ts';
import { SAMPLE_PAGE } from '../support/sample-page.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** Would run, ask for an address or end the element that it stands in. */
const HOSTILE = `</title></code></td>"'><img src="http://example.org/x.png" onerror="window.hacked=1"><script>window.hacked=1</script><style>*{display:none}</style>`;
const hostile = JSON.parse(
  JSON.stringify(SAMPLE_PAGE, (_, value: unknown) =>
    typeof value === 'string' && /onnx|px|recalibrated/.test(value) && value !== 'px' ? `${value} ${HOSTILE}` : value,
  ),
) as Page;

const folder = tempFolder();
const pictures = process.env.ONNX_TEMPER_PICTURES;
const WIDTHS = { phone: 390, tablet: 700, desktop: 1280 };

async function openPage(name: string, page: Page): Promise<BrowserPage> {
  const path = join(folder, `${name}.html`);
  writeFileSync(path, htmlReport(page));
  return openInBrowser(path);
}

let page: BrowserPage;
before(async () => {
  if (!skip) page = await openPage('sample', SAMPLE_PAGE);
});
after(() => page?.close());

for (const [device, widthPx] of Object.entries(WIDTHS)) {
  for (const dark of [false, true]) {
    const name = `${device}${dark ? '-dark' : ''}`;
    test(`${name}: nothing is wider than the screen, one layout of each chart is shown, ink stands out`, {
      skip,
    }, async () => {
      await page.resize(widthPx, { dark });
      const png = await page.picture();
      assert.ok(png.length > 10_000);
      if (pictures !== undefined) {
        mkdirSync(pictures, { recursive: true });
        writeFileSync(join(pictures, `${name}.png`), png);
      }
      assert.equal(await page.evaluate('document.documentElement.scrollWidth'), widthPx);
      const shown = `[...document.querySelectorAll('svg')].filter((svg) => svg.getBoundingClientRect().width > 0).length`;
      assert.equal(await page.evaluate(shown), await page.evaluate(`document.querySelectorAll('figure').length`));
      const lowest = Number(await page.evaluate(LOWEST_CONTRAST));
      assert.ok(lowest >= 4.5, `contrast of text: ${lowest.toFixed(2)}, wanted 4.5 (WCAG 2.2, 1.4.3)`);
      assert.deepEqual(await page.evaluate(CUT_OFF), [], 'text of charts beyond their frame');
    });
  }
}

const column = (index: number): string =>
  `[...document.querySelectorAll('table.sortable')[1].tBodies[0].rows].map((row) => row.cells[${index}].firstChild.textContent.trim())`;
const heading = (index: number): string =>
  `document.querySelectorAll('table.sortable')[1].tHead.rows[0].cells[${index}]`;

test('a click on a heading sorts upwards, then downwards, then as written; empty cells come last', {
  skip,
}, async () => {
  const [TOP1, DIFFERENCE] = [3, 4];
  const written = (await page.evaluate(column(TOP1))) as string[];
  assert.equal(written.length, 7);
  const click = async (index: number): Promise<void> => {
    await page.evaluate(`${heading(index)}.querySelector('button').click()`);
  };
  await click(TOP1);
  assert.deepEqual(await page.evaluate(column(TOP1)), written.toSorted());
  assert.equal(await page.evaluate(`${heading(TOP1)}.getAttribute('aria-sort')`), 'ascending');
  await click(TOP1);
  assert.deepEqual(await page.evaluate(column(TOP1)), written.toSorted().toReversed());
  await click(TOP1);
  assert.deepEqual(await page.evaluate(column(TOP1)), written);
  assert.equal(await page.evaluate(`${heading(TOP1)}.getAttribute('aria-sort')`), null);
  await click(DIFFERENCE);
  const differences = (await page.evaluate(
    `[...document.querySelectorAll('table.sortable')[1].tBodies[0].rows].map((row) => row.cells[${DIFFERENCE}].textContent)`,
  )) as string[];
  assert.deepEqual(differences, ['-17.51', '-6.70', '-6.49', '-3.42', '-1.29', '+0.26', '']);
  await click(DIFFERENCE);
  await click(DIFFERENCE);
});

test('the keyboard sorts too: Tab reaches the heading, Enter presses it', { skip }, async () => {
  await page.evaluate(`${heading(0)}.querySelector('button').focus()`);
  const press = async (key: string, code: number): Promise<void> => {
    for (const type of ['keyDown', 'keyUp']) {
      await page.send('Input.dispatchKeyEvent', {
        type,
        key,
        code: key,
        windowsVirtualKeyCode: code,
        text: key === 'Enter' ? '\r' : '',
      });
    }
  };
  await press('Tab', 9);
  await press('Enter', 13);
  assert.equal(await page.evaluate(`${heading(1)}.getAttribute('aria-sort')`), 'ascending');
});

test('printed: light, without controls, nothing cut off', { skip }, async () => {
  await page.resize(1280, { dark: true });
  const { data } = await page.send('Page.printToPDF', { paperWidth: 8.27, paperHeight: 11.69, printBackground: true });
  const pdf = Buffer.from(data as string, 'base64');
  assert.equal(pdf.subarray(0, 5).toString(), '%PDF-');
  if (pictures !== undefined) writeFileSync(join(pictures, 'print.pdf'), pdf);
  await page.send('Emulation.setEmulatedMedia', { media: 'print' });
  assert.equal(await page.evaluate('getComputedStyle(document.body).backgroundColor'), 'rgb(255, 255, 255)');
  await page.send('Emulation.setEmulatedMedia', { media: '' });
});

test('the layout without a browser gives every character at least the room that it takes', { skip }, async () => {
  const characters = Array.from({ length: 0x7e - 0x20 }, (_, i) => String.fromCharCode(0x21 + i));
  const widths = (await page.evaluate(
    `(() => { const drawing = document.createElement('canvas').getContext('2d'); drawing.font = '100px ' + getComputedStyle(document.body).fontFamily; return ${JSON.stringify(characters)}.map((one) => drawing.measureText(one).width); })()`,
  )) as number[];
  const wider = characters.filter((one, i) => (widths[i] as number) > textWidth(one, 100));
  assert.deepEqual(wider, []);
});

test('no complaint on the console, and no request', { skip }, () => {
  assert.deepEqual(page.complaints, []);
  assert.deepEqual(page.requests, []);
});

test('hostile names stay text: nothing runs, nothing is asked for, the page shows them', { skip }, async () => {
  const attacked = await openPage('hostile', hostile);
  try {
    assert.deepEqual(attacked.complaints, []);
    assert.deepEqual(attacked.requests, []);
    assert.equal(await attacked.evaluate('window.hacked'), undefined);
    assert.equal(await attacked.evaluate(`document.querySelectorAll('img').length`), 0);
    assert.equal(await attacked.evaluate(`document.querySelector('h1').textContent`), hostile.title);
    assert.ok(hostile.title.endsWith(HOSTILE));
    for (const widthPx of Object.values(WIDTHS)) {
      await attacked.resize(widthPx);
      assert.equal(await attacked.evaluate('document.documentElement.scrollWidth'), widthPx);
      assert.deepEqual(await attacked.evaluate(CUT_OFF), []);
    }
  } finally {
    await attacked.close();
  }
});
