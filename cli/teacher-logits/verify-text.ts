import { bytesText, type RecomputedFields, type VerifyTargetsRecord } from '../../src/distill/index.ts';
import { textTable } from '../shared/text-table.ts';

const MAX_NAMED = 20;

function recomputedText(teachers: readonly RecomputedFields[]): string {
  if (teachers.length === 0) return '';
  const short = (value: number): string => value.toPrecision(2);
  return `${textTable(
    [
      'teacher',
      'rows',
      'max |Δlogit|',
      'beyond rounding',
      'tolerance',
      'mean KL',
      'top-1 same',
      'top-K same',
      'inputs',
      '',
    ],
    teachers.map((one) => [
      one.model,
      String(one.n_rows),
      short(one.max_abs_logit),
      short(one.max_relative),
      short(one.tolerance),
      short(one.mean_kl),
      one.top1_agreement.toFixed(4),
      one.top_k_overlap.toFixed(4),
      short(one.max_input),
      one.passed ? 'same' : 'DIFFERENT',
    ]),
  )}\n`;
}

/** What is wrong, what was recomputed, and the verdict on the files. */
export function verificationText({ store, rows, files, bytes, problems, teachers }: VerifyTargetsRecord): string {
  const told = problems.slice(0, MAX_NAMED).map(({ message }) => `${message}\n`);
  const more = problems.length > MAX_NAMED ? `and ${problems.length - MAX_NAMED} more\n` : '';
  const verdict = problems.length === 0 ? 'whole' : `${problems.length} problems`;
  return (
    `${told.join('')}${more}${recomputedText(teachers)}` +
    `${store}: ${rows} rows in ${files} files, ${bytesText(bytes)}: ${verdict}\n`
  );
}
