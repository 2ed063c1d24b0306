/** eval-ckpt --report as a user runs it: what the page says, from a run and from stored predictions. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SNAPSHOTS } from '../support/fashion.ts';
import { type Element, parseMarkup } from '../support/markup-tokens.ts';
import { DATA, evalCkpt, evalFails, evalJson, TRANSFORM } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const folder = tempFolder();
const at = (name: string): string => join(folder, name);
const [older, newest] = [SNAPSHOTS[0] as string, SNAPSHOTS.at(-1) as string];
const PAIR = [older, newest, ...DATA, ...TRANSFORM, '--size', '20', '--rows', '0:400'];
const { models } = evalJson([
  ...PAIR,
  '--report',
  at('run.html'),
  '--per-image',
  at('p.parquet'),
  '--gate',
  'top1>=0.1',
]);

const texts = (elements: readonly Element[], tag: string): string[] =>
  elements.filter((element) => element.tag === tag).map(({ text }) => text.trim());

test('the page has the scores, the comparison, reliability diagrams, speed, the command and the provenance', () => {
  const elements = parseMarkup(readFileSync(at('run.html'), 'utf8'));
  assert.deepEqual(texts(elements, 'h1'), ['2 models evaluated']);
  assert.deepEqual(texts(elements, 'h2'), [
    ...['Scores', 'Against epoch_14.onnx', 'Calibration', 'What changed'],
    ...['Classes of epoch_14.onnx', 'Classes of epoch_25.onnx', 'Surest errors', 'Speed'],
    ...['How the models were read', 'Provenance'],
  ]);
  const cells = texts(elements, 'td');
  for (const { top1, nll } of models) {
    assert.ok(cells.includes((100 * Number(top1)).toFixed(2)));
    assert.ok(cells.includes(Number(nll).toFixed(4)));
  }
  const titles = elements.filter(({ tag, attributes }) => tag === 'title' && attributes.id).map(({ text }) => text);
  assert.deepEqual(
    [...new Set(titles)],
    [
      ...['Top-1 accuracy', 'Reliability of epoch_14.onnx', 'Reliability of epoch_25.onnx', 'Risk and coverage'],
      ...['Confusion', 'Accuracy against throughput'],
    ],
  );
  assert.match(texts(elements, 'code')[0] ?? '', /^eval-ckpt .*epoch_14\.onnx .* --gate 'top1>=0\.1' --json --quiet/);
  const facts = Object.fromEntries(texts(elements, 'dt').map((name, i) => [name, texts(elements, 'dd')[i]]));
  assert.equal(facts['model_sha256, epoch_25.onnx'], models[1]?.model_sha256);
  assert.equal(facts.data_table_sha256, models[0]?.data_table_sha256);
  assert.equal(facts.rows, '0:400');
  assert.ok(texts(elements, 'p').includes('The gate top1>=0.1 is met.'));
});

test('the reports of stored predictions are the same to the byte each time, and have no speed', () => {
  const from = (report: string) =>
    evalCkpt('--from', at('p.parquet'), '--report', at('again.html'), '--quiet', '--force', '--out', report);
  assert.equal(from(at('a.csv')).status, 0);
  const first = readFileSync(at('again.html'), 'utf8');
  assert.equal(from(at('a.csv')).status, 0);
  assert.equal(readFileSync(at('again.html'), 'utf8'), first);
  assert.ok(!texts(parseMarkup(first), 'h2').includes('Speed'));
});

const sources = (report: string): string[] =>
  parseMarkup(readFileSync(at(report), 'utf8'))
    .filter(({ tag }) => tag === 'img')
    .map(({ attributes }) => attributes.src ?? '');

test('flips and errors have small pictures, inside the page and off by --no-images; a file of predictions finds them by key', () => {
  const pictures = sources('run.html');
  assert.ok(pictures.length > 20, String(pictures.length));
  for (const source of pictures) assert.match(source, /^data:image\/webp;base64,[\w+/]{40,4000}={0,2}$/);
  const from = ['--from', at('p.parquet'), '--quiet'];
  assert.equal(evalCkpt(...from, ...DATA, '--report', at('found.html')).status, 0);
  assert.deepEqual(sources('found.html'), pictures);
  assert.equal(evalCkpt(...from, ...DATA, '--report', at('none.html'), '--no-images').status, 2);
  assert.equal(evalCkpt(...from, ...DATA, '--report', at('words.md')).status, 2);
  assert.equal(evalCkpt(...PAIR, '--quiet', '--report', at('none.html'), '--no-images').status, 0);
  assert.deepEqual(sources('none.html'), []);
});

test('the table of changes says what it leaves out', () => {
  const captions = readFileSync(at('run.html'), 'utf8').match(/<caption><span>[^<]*/g) ?? [];
  assert.ok(captions.some((text) => /<span>Wrong answers with the highest confidence \(30 of \d+\): /.test(text)));
});

test('an ending that names no format, or a report that exists, is refused before the work', () => {
  evalFails(
    [...PAIR, '--report', at('report.pdf')],
    2,
    'USAGE',
    /--report .*report\.pdf: the ending names no format.*\.html/,
  );
  evalFails([...PAIR, '--report', at('run.html')], 3, 'OUTPUT_EXISTS', /run\.html/);
  evalFails([...PAIR, '--report', at('x.md'), '--out', at('x.md')], 2, 'USAGE', /two outputs/);
  assert.ok(!existsSync(at('report.pdf')));
});
