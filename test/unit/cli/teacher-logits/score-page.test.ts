import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scorePage } from '../../../../cli/teacher-logits/score-page.ts';
import { scoreText } from '../../../../cli/teacher-logits/score-text.ts';
import { classRows, openStore, scoreRows, scoreWords } from '../../../../src/distill/index.ts';
import { htmlReport, markdownReport } from '../../../../src/report/index.ts';
import { READING } from '../../../support/reading.ts';
import { scoreMadeUp } from '../../../support/score-made-up.ts';
import { makeStore, storeRun } from '../../../support/target-store.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const { teachers } = storeRun();
const run = storeRun({ kind: 'top_k', top_k: 3, teachers: teachers.slice(0, 1) });
const folder = await makeStore(tempFolder(), 'store', run);
const { scores, outputs } = await scoreMadeUp(folder);
const fields = { student: 'student.onnx', outputs };
const record = {
  fields,
  words: scoreWords(openStore(folder).manifest),
  scores,
  rows: scoreRows(scores, fields),
  classRows: classRows(scores, undefined),
  transform: undefined,
  reading: READING,
  badImages: [],
};

test('the page says how far the student is, with bounds, agreement, the worst rows and the settings', () => {
  const page = scorePage(record, 'teacher-logits score targets/');
  assert.match(
    page.summary ?? '',
    /KL from teacher\.onnx at T 1: [\d.]+ nats; the same best class in [\d.]+ % of 20 rows/,
  );
  assert.deepEqual(
    page.sections.map(({ heading }) => heading),
    ['Divergence', 'Agreement', 'Farthest from teacher.onnx', 'How the models were read'],
  );
  assert.ok(page.provenance.some(({ name, value }) => name === 'student' && value === 'student.onnx'));
  const text = markdownReport(page);
  for (const { kl_lower, kl_upper } of scores[0]?.temperatures ?? []) {
    assert.ok(text.includes(`${kl_lower?.toFixed(4)} to ${kl_upper?.toFixed(4)}`), `${kl_lower} ${kl_upper}`);
  }
  assert.match(htmlReport(page), /Divergence by temperature/);
});

test('the text has the same numbers, and what they mean', () => {
  const text = scoreText(record);
  assert.match(text, /^teacher +T +kl +kl_lower +kl_upper/);
  assert.ok(text.includes((scores[0]?.temperatures[0]?.kl ?? 0).toPrecision(6)));
  assert.match(text, /tail top-3 of 7 classes/);
});
