/** bn-recal --report as a user runs it: the verdict, the layers, and where the statistics come from. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { parseMarkup } from '../support/markup-tokens.ts';
import { BN_RECAL, runProgram } from '../support/run-cli.ts';
import { ON_CPU, TRANSFORM } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const folder = tempFolder();
const at = (name: string): string => join(folder, name);
const MODEL = SNAPSHOTS.at(-1) as string;
const TRAIN = ['--data', `${FASHION}/train-2k-images-idx3-ubyte.gz`, '--samples', '200'];
const GUARD = [
  ...['--guard-data', `${FASHION}/test-images-idx3-ubyte.gz`, '--guard-labels', `${FASHION}/test-labels-idx1-ubyte.gz`],
  ...['--guard-rows', '0:300'],
];
const recalibrate = (...args: readonly string[]) =>
  runProgram(BN_RECAL, [MODEL, ...TRAIN, ...TRANSFORM, ...ON_CPU, ...args]);

function pageOf(path: string) {
  const elements = parseMarkup(readFileSync(path, 'utf8'));
  const texts = (tag: string): string[] => elements.filter((one) => one.tag === tag).map(({ text }) => text.trim());
  const facts = Object.fromEntries(texts('dt').map((name, i) => [name, texts('dd')[i]]));
  const verdicts = elements.filter(({ attributes }) => attributes.class?.startsWith('verdict')).map(({ text }) => text);
  return { texts, facts, verdicts };
}

test('the page has the guard, shift and variance ratio of every layer, and the settings of the metadata', () => {
  const run = recalibrate(
    '--size',
    '16',
    '--out',
    at('a.onnx'),
    '--report',
    at('a.html'),
    '--allow-worse',
    ...GUARD,
    '--json',
  );
  assert.equal(run.status, 0, run.stderr);
  const { layers, guard } = JSON.parse(run.stdout) as {
    layers: { layer: string; mean_shift_rms: number }[];
    guard: { top1_after: number };
  };
  const { texts, facts, verdicts } = pageOf(at('a.html'));
  assert.deepEqual(texts('h2'), ['Is it better?', 'What changed', 'How the models were read', 'Provenance']);
  assert.ok(
    verdicts.some((text) => text.includes(`${(100 * guard.top1_after).toFixed(2)}\u00a0% after, on 300 images`)),
  );
  for (const { layer, mean_shift_rms } of layers) {
    assert.ok(texts('td').includes(layer));
    assert.ok(texts('td').includes(mean_shift_rms.toFixed(4)));
  }
  assert.match(facts['input sha256'] ?? '', /^[0-9a-f]{64}$/);
  assert.deepEqual(
    [facts.n_images, facts.estimator, facts['transform resize']],
    ['200', 'population', '{"height":16,"width":16}'],
  );
  assert.match(texts('code')[0] ?? '', /^bn-recal .* --allow-worse /);
});

test('where the guard refuses, the report is written all the same, and says that the model was not', () => {
  const run = recalibrate('--size', '20', '--out', at('b.onnx'), '--report', at('b.html'), ...GUARD, '--quiet');
  assert.equal(run.status, 1, run.stderr);
  assert.ok(!existsSync(at('b.onnx')));
  assert.match(pageOf(at('b.html')).verdicts[0] ?? '', /^Top-1 .*Nothing was written\.$/);
});

test('without a guard the report says that nothing was compared; Markdown too', () => {
  const run = recalibrate('--size', '20', '--out', at('c.onnx'), '--report', at('c.md'), '--quiet');
  assert.equal(run.status, 0, run.stderr);
  const markdown = readFileSync(at('c.md'), 'utf8');
  assert.match(markdown, /^# .*recalibrated\n/);
  assert.match(markdown, /No guard was asked for/);
});

test('a report without a model to report on, or of no format, is refused before the work', () => {
  const worker = recalibrate('--moments-out', at('m.safetensors'), '--report', at('d.html'));
  assert.deepEqual([worker.status, /--report has no use without --out/.test(worker.stderr)], [2, true], worker.stderr);
  const pdf = recalibrate('--out', at('d.onnx'), '--report', at('d.pdf'));
  assert.deepEqual([pdf.status, /names no format/.test(pdf.stderr)], [2, true], pdf.stderr);
  assert.ok(!existsSync(at('d.onnx')) && !existsSync(at('m.safetensors')));
});
