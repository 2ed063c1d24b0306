// A target store of a million rows: memory does not grow with it. Some minutes, 100 MB of disk:
// ONNX_TEMPER_LARGE=1 node --test dist/test/e2e/teacher-large.test.js
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  checkParts,
  makeParts,
  openStore,
  prepareTargets,
  publishManifest,
  samplesText,
  startStore,
  verifyStore,
} from '../../src/distill/index.ts';
import { idxBytes } from '../support/dataset-files.ts';
import { floats, makeModel } from '../support/small-models.ts';
import { tempFolder } from '../support/temp-folder.ts';

const ROWS = 1_000_000;
const SIDE = 4;
/** Of the means of the second and the last quarter of each step. The images lie in memory from the start. */
const GROWTH_LIMIT = 48e6;
const SAMPLES = 400;

const MODEL = makeModel({
  inputs: [['x', 'FLOAT', ['N', 1, SIDE, SIDE]]],
  outputs: [['y', 'FLOAT', ['N', 10]]],
  nodes: [
    ['Flatten', ['x'], ['flat'], { axis: 1 }],
    ['Gemm', ['flat', 'w', 'b'], ['y']],
  ],
  initializers: [
    floats(
      'w',
      [SIDE * SIDE, 10],
      Array.from({ length: SIDE * SIDE * 10 }, (_, i) => Math.sin(i)),
    ),
    floats('b', [10], new Array<number>(10).fill(0)),
  ],
});

const skip = process.env.ONNX_TEMPER_LARGE ? false : 'ONNX_TEMPER_LARGE is not set';

test('a million rows are made, merged and verified in constant memory', { skip }, async (context) => {
  const folder = tempFolder();
  const at = (name: string): string => join(folder, name);
  writeFileSync(at('teacher.onnx'), MODEL);
  const pixels = Uint8Array.from({ length: ROWS * SIDE * SIDE }, (_, i) => (i * 2654435761) >>> 24);
  writeFileSync(at('images-idx3-ubyte'), idxBytes([ROWS, SIDE, SIDE], pixels));
  writeFileSync(
    at('labels-idx1-ubyte'),
    idxBytes(
      [ROWS],
      Uint8Array.from({ length: ROWS }, (_, i) => i % 10),
    ),
  );
  const signal = new AbortController().signal;
  const job = await prepareTargets(
    {
      teachers: [at('teacher.onnx')],
      data: { source: at('images-idx3-ubyte'), labels: at('labels-idx1-ubyte') },
      transform: { preset: 'none', size: SIDE },
      ...{ device: 'cpu', threads: 1, workers: 1, batch: 256, temperatures: [1, 4], topK: 5 },
    },
    { note: () => undefined, signal },
  );

  let seen: number[] = [];
  const look = (): void => {
    seen.push(process.memoryUsage.rss());
  };
  const assertFlat = (step: string): void => {
    const quarter = seen.length / 4;
    const mean = (q: number): number => {
      const some = seen.slice(Math.floor(q * quarter), Math.floor((q + 1) * quarter));
      return some.reduce((a, b) => a + b, 0) / some.length;
    };
    const means = [0, 1, 2, 3].map(mean);
    context.diagnostic(`${step}: ${means.map((bytes) => `${(bytes / 1e6).toFixed(0)} MB`).join(', ')} in its quarters`);
    const growth = (means[3] as number) - (means[1] as number);
    assert.ok(growth < GROWTH_LIMIT, `${step}: grew by ${growth} bytes`);
    seen = [];
  };

  const { run, chosen, teachers, transforms } = job;
  const { dataset, rows } = chosen;
  const out = at('store');
  try {
    const runHash = await startStore(out, run, samplesText(dataset, rows));
    const parts = Array.from({ length: run.n_parts }, (_, part) => part);
    let next = 0;
    await makeParts({
      ...{ folder: out, run, runHash, dataset, rows, parts, teachers, transforms, workers: 1, onBadImage: 'fail' },
      onProgress: (samples) => {
        if (samples < next) return;
        next += ROWS / SAMPLES;
        look();
      },
    });
    assertFlat('made');
  } finally {
    await job.close();
  }
  publishManifest(out, await checkParts(out, { onProgress: look }));
  assertFlat('merged');
  const verdict = await verifyStore(out, { onProgress: look });
  assertFlat('verified');
  assert.deepEqual([verdict.problems, verdict.rows], [[], ROWS]);
  assert.equal(openStore(out).manifest.n_parts, Math.ceil(ROWS / 16_384));
});
