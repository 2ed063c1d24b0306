import { join } from 'node:path';
import {
  type BadSample,
  bytesText,
  estimateText,
  formText,
  MANIFEST_FILE,
  type MakeTargetsRecord,
  type MergeTargetsRecord,
  type TeacherFields,
} from '../../src/distill/index.ts';
import { textTable } from '../shared/text-table.ts';

const MAX_NAMED = 10;

/** @param scored whether accuracy was measured */
function teachersText(teachers: readonly TeacherFields[], scored: boolean): string {
  const rows = teachers.map(({ model, n_classes, outputs, provider, top1, top5, nll }) => [
    model,
    String(n_classes),
    outputs,
    provider,
    ...(scored ? [top1, top5, nll].map((value) => (value ?? 0).toFixed(4)) : []),
  ]);
  return textTable(['teacher', 'classes', 'outputs', 'provider', ...(scored ? ['top-1', 'top-5', 'NLL'] : [])], rows);
}

function badText(bad: readonly BadSample[]): string {
  if (bad.length === 0) return '';
  const named = bad.slice(0, MAX_NAMED).map(({ key, code }) => `  ${key}  ${code}\n`);
  const more = bad.length > MAX_NAMED ? `  and ${bad.length - MAX_NAMED} more: bad_images of the manifest\n` : '';
  return `${bad.length} bad images: rows without targets (status 1)\n${named.join('')}${more}`;
}

/** A store whose parts are all there. @param missed why a gate is missed */
export function wholeText(record: MergeTargetsRecord, missed: readonly string[]): string {
  const { fields, teachers, complete, bytes, manifestSha256, badImages } = record;
  const verdict = complete
    ? `${join(fields.store, MANIFEST_FILE)}  ${fields.n_rows} rows, ${formText(fields)}, ${bytesText(bytes)}  sha256 ${manifestSha256}\n`
    : `${missed.map((text) => `${text}\n`).join('')}no manifest was written: the parts stay, a run or merge without --gate completes them\n`;
  const scored = teachers.some(({ n_scored }) => n_scored !== null);
  return `${teachersText(teachers, scored)}\n${badText(badImages)}${verdict}`;
}

/** What would be made. */
export function dryRunText({ fields, teachers, estimate }: MakeTargetsRecord): string {
  return `${teachersText(teachers, false)}\n${estimateText(fields, estimate)}\nnothing was written\n`;
}

/** A worker's share. */
export function workerText({ fields: { store }, parts }: MakeTargetsRecord): string {
  return `${store}: ${parts?.made} parts made, ${parts?.kept} were there; when all workers are done: teacher-logits merge ${store}\n`;
}
