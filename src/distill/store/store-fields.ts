import { combinedSha256 } from '../../onnx/index.ts';
import type { Manifest, StoreDtype, StoreKind, StoreRun, TeacherScore } from './manifest.ts';

/** What a store is, as fields (docs/columns.md). */
export interface StoreFields {
  /** Its folder. */
  readonly store: string;
  readonly kind: StoreKind;
  readonly top_k: number | null;
  readonly store_dtype: StoreDtype;
  readonly temperatures: readonly number[];
  readonly n_samples: number;
  readonly views: number;
  /** n_samples · views. */
  readonly n_rows: number;
  readonly rows_per_part: number;
  readonly n_parts: number;
}

export function storeFields(folder: string, run: StoreRun): StoreFields {
  const { kind, top_k, store_dtype, temperatures, n_samples, views, n_rows, rows_per_part, n_parts } = run;
  return { store: folder, kind, top_k, store_dtype, temperatures, n_samples, views, n_rows, rows_per_part, n_parts };
}

/** A teacher as fields: what it is, and how it did on labelled rows. */
export interface TeacherFields {
  readonly model: string;
  readonly model_sha256: string;
  readonly n_classes: number;
  readonly outputs: StoreRun['teachers'][number]['outputs'];
  readonly provider: string;
  readonly transform_sha256: string | null;
  /** Rows, of which each view counts; null without labels, as all below. */
  readonly n_scored: number | null;
  /** Fractions. */
  readonly top1: number | null;
  readonly top5: number | null;
  /** Nats. */
  readonly nll: number | null;
}

export function teacherFields({ teachers }: StoreRun, scores: readonly TeacherScore[] | null): TeacherFields[] {
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

/** Bytes of all files but the manifest. */
export function storeBytes({ files }: Pick<Manifest, 'files'>): number {
  return Object.values(files).reduce((sum, { bytes }) => sum + bytes, 0);
}

/** What is stored of a row, for people. */
export function formText({ kind, top_k, store_dtype }: Pick<StoreRun, 'kind' | 'top_k' | 'store_dtype'>): string {
  return `${kind === 'dense' ? 'dense' : `top-${top_k}`} ${store_dtype}`;
}
