// Three GB of external data: over what readFile and one Buffer hold. Opt-in, as the output takes 3 GB of disk:
// ONNX_TEMPER_LARGE=1 node --test dist/test/e2e/large.test.js
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { node, type TestModel, TYPE_CODE, valueInfo, writeModel } from '../support/model-builder.ts';
import { AVG_CKPT } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';

const TENSORS = 3;
const TENSOR_BYTES = 2 ** 30;
const LIMIT_BYTES = 300e6;

const PROBE = `data:text/javascript,${encodeURIComponent(
  "process.on('exit', () => console.error('PEAK ' + process.resourceUsage().maxRSS * 1024));",
)}`;

/** Where values are written; all else is a hole of zeros. Beyond 2 GiB, across a block's border, the last of all. */
const PLACES = [0, 65535 * 4, 65536 * 4, 2 ** 31 - 4, 2 ** 31, TENSORS * TENSOR_BYTES - 4];

function snapshot(folder: string, k: number): string {
  const data = join(folder, `epoch_${k}.data`);
  writeFileSync(data, '');
  truncateSync(data, TENSORS * TENSOR_BYTES);
  const fd = openSync(data, 'r+');
  for (const place of PLACES) writeSync(fd, Buffer.from(Float32Array.of(k).buffer), 0, 4, place);
  closeSync(fd);
  const names = Array.from({ length: TENSORS }, (_, i) => `w${i}`);
  const model: TestModel = {
    nodes: names.map((name, i) => node('Mul', ['x', name], [`y${i}`])),
    inputs: [valueInfo('x', [])],
    outputs: names.map((_, i) => valueInfo(`y${i}`, [TENSOR_BYTES / 4])),
    initializers: names.map((name, i) => ({
      name,
      dims: [TENSOR_BYTES / 4],
      dataType: TYPE_CODE.float32,
      dataLocation: 1,
      externalData: Object.entries({ location: `epoch_${k}.data`, offset: i * TENSOR_BYTES, length: TENSOR_BYTES }).map(
        ([key, value]) => ({ key, value: String(value) }),
      ),
    })),
  };
  return writeModel(join(folder, `epoch_${k}.onnx`), model);
}

test('a model of 3 GB is averaged in under 300 MB of memory', {
  skip: process.env.ONNX_TEMPER_LARGE ? false : 'ONNX_TEMPER_LARGE is not set',
}, () => {
  const folder = tempFolder();
  const paths = [1, 2].map((k) => snapshot(folder, k));
  const start = performance.now();
  const args = ['--import', PROBE, AVG_CKPT, ...paths, '--out', join(folder, 'out.onnx')];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  const peak = Number(/PEAK (\d+)/.exec(stderr)?.[1]);
  console.log(`peak ${(peak / 1e6).toFixed(0)} MB, ${((performance.now() - start) / 1000).toFixed(1)} s`);

  const data = join(folder, readdirSync(folder).find((name) => name.startsWith('out.onnx.')) ?? assert.fail());
  assert.equal(statSync(data).size, TENSORS * TENSOR_BYTES);
  const fd = openSync(data, 'r');
  const value = Buffer.alloc(12);
  for (const place of PLACES) {
    readSync(fd, value, 0, 4, place);
    assert.equal(value.readFloatLE(), 1.5, `at ${place}`);
  }
  readSync(fd, value, 0, 12, 2 ** 31 + 4);
  assert.deepEqual(value, Buffer.alloc(12));
  closeSync(fd);
  assert.ok(peak < LIMIT_BYTES, `${peak} bytes`);
});
