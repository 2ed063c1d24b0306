/** One record in all its forms: text, HTML, Markdown say the same numbers and the same sentences. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { evaluationPage } from '../../../../cli/eval-ckpt/page.ts';
import { evaluationText } from '../../../../cli/eval-ckpt/text.ts';
import { random } from '../../../../src/core/index.ts';
import { type EvaluationRecord, scoreBatch, scoreModels } from '../../../../src/evaluate/index.ts';
import { htmlReport, markdownReport } from '../../../../src/report/index.ts';
import { parseMarkup } from '../../../support/markup-tokens.ts';
import { calibratedModel, makeOutput, names } from '../../../support/synthetic-predictions.ts';

/** A model that is shown the same images, its logits scaled: worse calibrated, or inverted. */
function predictions(factor: number) {
  const { rows, labels } = calibratedModel(random(0, 'agreement'), 400, 6);
  return scoreBatch(makeOutput(rows.map((row) => row.map((z) => factor * z))), names(400), labels, { kind: 'logits' });
}
const speed = (images: number, ratio: number | undefined) => ({
  img_s_model: images,
  img_s_model_lo: 0.9 * images,
  img_s_model_hi: 1.1 * images,
  ms_p50: 1234.5 / images,
  speed_ratio: ratio,
  speed_ratio_lo: ratio && 0.95 * ratio,
  speed_ratio_hi: ratio && 1.05 * ratio,
});
const scores = scoreModels(
  [
    { model: 'a.onnx', predictions: predictions(1), timing: speed(1000.04, undefined), provenance: {} },
    { model: 'b.onnx', predictions: predictions(1.5), timing: speed(812.36, 0.8123), provenance: {} },
    { model: 'c.onnx', predictions: predictions(-1), timing: speed(500.5, 0.5005), provenance: {} },
  ],
  0,
);
const record: EvaluationRecord = {
  models: scores.map((one, i) => ({
    ...one,
    transform: undefined,
    reading: undefined,
    part: undefined,
    warnings: i === 2 ? ['top-1 is below chance; give `classes` FILE'] : [],
  })),
  source: 'val/',
  badImages: [],
  classNames: [],
  slices: [],
  sets: [],
  pictureNotes: ['most pictures are enlarged; give `preset` none'],
};
const page = evaluationPage(record, { asked: undefined, passed: true, missed: [] }, 'eval-ckpt a.onnx b.onnx c.onnx');
const elements = parseMarkup(htmlReport(page));
const html = elements.map(({ text }) => text.replaceAll('\u00a0', ' '));
const markdown = markdownReport(page).replaceAll('\\', '');
const text = evaluationText(record, []);

/** Cells of the table of text: numbers, intervals, p values. */
const shown = text
  .split('\n')
  .filter((line) => /^[abc]\.onnx\s/.test(line))
  .flatMap((line) => line.split(/\s{2,}/).slice(1))
  .flatMap((cell) => cell.replace(')', '').split(' ('));

test('every number of the text is in the page, as HTML and as Markdown, to the last digit', () => {
  assert.ok(shown.length > 30);
  const cells = new Set(elements.filter(({ tag }) => tag === 'td' || tag === 'span').map((one) => one.text.trim()));
  const marked = new Set(
    markdown
      .split('\n')
      .flatMap((line) =>
        line.split('|').flatMap((cell) => cell.replaceAll('*', '').trim().replace(')', '').split(' (')),
      ),
  );
  for (const cell of shown) {
    assert.ok(cells.has(cell), `HTML lacks ${cell}`);
    assert.ok(marked.has(cell), `Markdown lacks ${cell}`);
  }
});

test('p values are never written as zero, anywhere', () => {
  assert.ok(scores[2]?.paired && scores[2].paired.p < 1e-4);
  assert.ok(shown.includes('<0.0001'));
  for (const form of [text, markdown, html.join('\n')]) assert.doesNotMatch(form, /\b0\.0000\b(?!\d)/);
});

test('what the text concludes, and warns of, the page does in the same words', () => {
  const sentence = /^(?:Told|On these images) .*$/m.exec(text)?.[0] ?? '';
  assert.ok(sentence.startsWith('Told from a.onnx by top-1'));
  const warnings = [
    'c.onnx: top-1 is below chance; give --classes FILE',
    'most pictures are enlarged; give --preset none',
  ];
  for (const words of [sentence, page.summary as string, ...warnings]) {
    assert.ok(
      html.some((one) => one.includes(words)),
      `HTML lacks: ${words}`,
    );
    assert.ok(markdown.includes(words), `Markdown lacks: ${words}`);
  }
});

test('Markdown describes no lines, bands or steps, which it does not have', () => {
  assert.ok(html.some((one) => one.includes('The step line is the Pareto front')));
  assert.doesNotMatch(markdown, /step line|Lines are|Bands are/);
});
