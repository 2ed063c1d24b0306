import type { EvaluatedModel, EvaluationRecord } from '../../src/evaluate/index.ts';
import { scoreText } from '../shared/score-text.ts';
import { transformText } from '../shared/transform-text.ts';
import { augmentedSentences, pairedSentence } from './sentences.ts';
import { setText } from './set-table.ts';

function settingsOf({ transform, provenance, fields, predictions }: EvaluatedModel, source: string): string {
  const images = `${predictions.keys.length} images of ${source}`;
  if (provenance.provider === undefined) return `${images}, measured before`;
  const found = transform ? transformText(transform) : 'none: the data is network input';
  const { valid_classes: valid } = provenance;
  const subset = valid === undefined ? '' : `, scored among ${valid} classes`;
  return `${images} on ${provenance.provider}, batches of ${fields.batch}${subset}; transform ${found}`;
}

/** What the numbers were measured on and with: once, or per model where they differ. */
function settingsText({ models, source }: EvaluationRecord): string {
  const settings = models.map((one) => ({ model: one.fields.model, text: settingsOf(one, source) }));
  const [first] = settings;
  if (first && settings.every(({ text }) => text === first.text)) return `${first.text}\n`;
  return settings.map(({ model, text }) => `${model}: ${text}\n`).join('');
}

/** By labels of several classes, where there are any. */
function realText({ models }: EvaluationRecord): string {
  const percent = (value: unknown): string => (100 * Number(value)).toFixed(2);
  return models
    .filter(({ fields }) => fields.real_top1 !== undefined)
    .map(
      ({ fields: f }) =>
        `${f.model}: by the real labels top-1 ${percent(f.real_top1)} % (${percent(f.real_top1_lo)} to ${percent(f.real_top1_hi)}), top-5 ${percent(f.real_top5)} %, on ${f.n_real} images\n`,
    )
    .join('');
}

const lines = (texts: readonly string[]): string => texts.map((text) => `${text}\n`).join('');

/** The tables of scores and comparisons, what they were measured with, and the gates. */
export function evaluationText(record: EvaluationRecord, verdict: readonly string[]): string {
  const compared = pairedSentence(record.models);
  const sentence = compared === '' ? '' : `${compared}\n`;
  return `${scoreText(record.models)}${sentence}${lines(augmentedSentences(record.models))}\n${setText(record)}${realText(record)}${settingsText(record)}${lines(verdict)}`;
}
