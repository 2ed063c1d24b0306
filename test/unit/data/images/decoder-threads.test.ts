import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { pngs } from '../../../support/dataset-files.ts';

const DECODER = new URL('../../../../src/data/images/decode-image.js', import.meta.url).href;
const THREADS = 4;
/** Decodes an image, then tries an SVG; says how often this thread changed libvips' formats, and whether SVG is refused. */
const THREAD = `
const { parentPort, workerData } = require('node:worker_threads');
(async () => {
  const { default: sharp } = await import('sharp');
  let changes = 0;
  const { block } = sharp;
  sharp.block = (options) => { changes++; block(options); };
  const { decodeImage } = await import(${JSON.stringify(DECODER)});
  const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
  const { width } = await decodeImage(workerData, 'a.png');
  const refused = await decodeImage(svg, 'a.svg').then(() => 'no', ({ code }) => code);
  parentPort.postMessage([changes, width, refused]);
})();`;

test('threads that start together choose the formats once: choosing again would fail images that others decode', async () => {
  await import(DECODER);
  const [png] = await pngs();
  const answers = await Promise.all(
    Array.from({ length: THREADS }, () => {
      const worker = new Worker(THREAD, { eval: true, workerData: png });
      return new Promise<[number, number, string]>((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      });
    }),
  );
  assert.equal(
    answers.reduce((sum, [changes]) => sum + changes, 0),
    1,
  );
  for (const [, width, refused] of answers) assert.deepEqual([width, refused], [28, 'UNSUPPORTED_IMAGE']);
});
