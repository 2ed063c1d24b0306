import type { BadSample, Manifest, StoreRun, TeacherScore } from '../../src/distill/index.ts';
import { combinedSha256 } from '../../src/onnx/index.ts';
import { type Gate, missedGates } from '../eval-ckpt/gate.ts';
import { textTable } from '../shared/text-table.ts';

/** A size for people. */
export function bytesText(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB'];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  return power === 0 ? `${bytes} bytes` : `${(bytes / 1000 ** power).toPrecision(3)} ${units[power]}`;
}

/** A time for people. */
export function durationText(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  return seconds < 48 * 3600 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86_400).toFixed(1)} days`;
}

/** Teachers as records: what each is, and how it did on labelled rows. */
export function teacherFields({ teachers }: StoreRun, scores: readonly TeacherScore[] | null) {
  return teachers.map((teacher, i) => {
    const score = scores?.[i];
    return {
      model: teacher.name,
      model_sha256: combinedSha256(teacher.sha256, teacher.external_data),
      n_classes: teacher.n_classes,
      outputs: teacher.outputs,
      provider: teacher.provider,
      transform_sha256: teacher.transform_sha256,
      n_scored: score?.n ?? null,
      top1: score?.top1 ?? null,
      top5: score?.top5 ?? null,
      nll: score?.nll ?? null,
    };
  });
}

export function teachersText(run: StoreRun, scores: readonly TeacherScore[] | null): string {
  const rows = teacherFields(run, scores).map(({ model, n_classes, outputs, provider, top1, top5, nll }) => [
    model,
    String(n_classes),
    outputs,
    provider,
    ...(scores === null ? [] : [top1, top5, nll].map((value) => (value ?? 0).toFixed(4))),
  ]);
  return textTable(
    ['teacher', 'classes', 'outputs', 'provider', ...(scores === null ? [] : ['top-1', 'top-5', 'NLL'])],
    rows,
  );
}

/** Why teachers miss gates; without labels nothing is measured, and every gate is missed. */
export function missedTeacherGates(
  gates: readonly Gate[],
  run: StoreRun,
  scores: readonly TeacherScore[] | null,
): string[] {
  return teacherFields(run, scores).flatMap(({ model, top1, top5, nll }) =>
    missedGates(gates, scores === null ? { model } : { model, top1, top5, nll }),
  );
}

/** What a whole store is, as fields. */
export function storeFields(folder: string, run: StoreRun) {
  const { kind, top_k, store_dtype, temperatures, n_samples, views, n_rows, rows_per_part, n_parts } = run;
  return { store: folder, kind, top_k, store_dtype, temperatures, n_samples, views, n_rows, rows_per_part, n_parts };
}

export function formText({ kind, top_k, store_dtype }: StoreRun): string {
  return `${kind === 'dense' ? 'dense' : `top-${top_k}`} ${store_dtype}`;
}

export function sizeOf({ files }: Manifest): number {
  return Object.values(files).reduce((sum, { bytes }) => sum + bytes, 0);
}

const MAX_NAMED = 10;

export function badText(bad: readonly BadSample[]): string {
  if (bad.length === 0) return '';
  const named = bad.slice(0, MAX_NAMED).map(({ key, code }) => `  ${key}  ${code}\n`);
  const more = bad.length > MAX_NAMED ? `  and ${bad.length - MAX_NAMED} more: bad_images of the manifest\n` : '';
  return `${bad.length} bad images: rows without targets (status 1)\n${named.join('')}${more}`;
}
