/** The pages of real runs in a real browser, opt-in: ONNX_TEMPER_BROWSER=1, and ONNX_TEMPER_PICTURES=DIR to keep the pictures. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openInBrowser, lacksBrowser as skip } from '../support/chromium.ts';
import { CHECKPOINTS, FASHION } from '../support/fashion.ts';
import { CUT_OFF, LOWEST_CONTRAST } from '../support/page-checks.ts';
import { EVAL_CKPT, runProgram } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';

const folder = tempFolder();
const pictures = process.env.ONNX_TEMPER_PICTURES;
const WIDTHS = { phone: 390, desktop: 1280 };

async function look(path: string): Promise<void> {
  const page = await openInBrowser(path);
  try {
    for (const [device, widthPx] of Object.entries(WIDTHS)) {
      for (const dark of [false, true]) {
        await page.resize(widthPx, { dark });
        if (pictures !== undefined) {
          mkdirSync(pictures, { recursive: true });
          const name = `${basename(path, '.html')}-${device}${dark ? '-dark' : ''}.png`;
          writeFileSync(join(pictures, name), await page.picture());
        }
        const where = `${basename(path)}, ${device}`;
        assert.equal(await page.evaluate('document.documentElement.scrollWidth'), widthPx, where);
        assert.deepEqual(await page.evaluate(CUT_OFF), [], `${where}: text of charts beyond their frame`);
        const lowest = Number(await page.evaluate(LOWEST_CONTRAST));
        assert.ok(lowest >= 4.5, `${where}: contrast ${lowest.toFixed(2)}`);
      }
    }
    assert.deepEqual(page.complaints, []);
    assert.deepEqual(page.requests, []);
  } finally {
    await page.close();
  }
}

const reports = fileURLToPath(new URL('../../../reports/', import.meta.url));
for (const name of readdirSync(reports).filter((file) => file.endsWith('.html'))) {
  test(`reports/${name} fits a phone and a desktop, in light and dark, and asks for nothing`, { skip }, () =>
    look(join(reports, name)),
  );
}

test('the error analysis of 10,000 images, with thumbnails, is under 3 MB, fits, and asks for nothing', {
  skip,
}, async () => {
  const report = join(folder, 'analysis.html');

  const { status, stderr } = runProgram(EVAL_CKPT, [
    ...['epoch_25.onnx', 'epoch_24.onnx'].map((name) => join(CHECKPOINTS, name)),
    ...['--data', join(FASHION, 'test-images-idx3-ubyte.gz'), '--labels', join(FASHION, 'test-labels-idx1-ubyte.gz')],
    ...['--preset', 'none', '--size', '20', '--mean', '0.286', '--std', '0.353', '--device', 'cpu'],
    ...['--baseline', join(CHECKPOINTS, 'epoch_14.onnx'), '--report', report],
    ...['--per-class', join(folder, 'classes.csv'), '--flips', join(folder, 'flips.csv')],
  ]);
  assert.equal(status, 0, stderr);
  assert.ok(statSync(report).size < 3e6);
  await look(report);
});
