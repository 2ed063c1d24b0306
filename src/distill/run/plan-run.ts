import { TemperError, version } from '../../core/index.ts';
import type { ChosenData } from '../../data/index.ts';
import {
  defaultRowsPerPart,
  FORMAT,
  FORMAT_VERSION,
  rowBytes,
  type StoreDtype,
  type StoreRun,
  type Teacher,
  teacherColumns,
} from '../store/index.ts';

const DEFAULT_TEMPERATURES = [1, 2, 4, 5];
/** Parts are numbered with five digits, and listed one by one in the manifest. */
const MAX_PARTS = 1e6;

/** What is stored of each row. */
export interface TargetForm {
  /** The K highest logits of each row. @default all */
  readonly topK?: number | undefined;
  /** Temperatures whose log-sum-exp is stored: softmax at these is exact, top-K or not. @default [1, 2, 4, 5] */
  readonly temperatures?: readonly number[] | undefined;
  /** Of the stored logits, which are relative to the highest of their row. @default 'float16' */
  readonly storeDtype?: StoreDtype | undefined;
  /** Rows of a part, a multiple of the views. @default 16384, fewer if that is over 256 MiB */
  readonly rowsPerShard?: number | undefined;
}

/** The temperatures of a store. @throws TemperError USAGE unless they are over 0, each once */
export function declaredTemperatures({ temperatures = DEFAULT_TEMPERATURES }: TargetForm): readonly number[] {
  const wrong = temperatures.find((t, i) => !(t > 0) || temperatures.indexOf(t) !== i);
  if (wrong === undefined && temperatures.length > 0) return temperatures;
  throw new TemperError(
    'USAGE',
    `\`temperatures\` ${temperatures.join(',')}: found ${wrong ?? 'none'}, expected numbers over 0, each once`,
  );
}

/** @throws TemperError USAGE for more than a teacher has */
function checkTopK(topK: number | undefined, teachers: readonly Pick<Teacher, 'name' | 'n_classes'>[]): void {
  if (topK === undefined) return;
  if (!Number.isSafeInteger(topK) || topK < 1) {
    throw new TemperError('USAGE', `\`topK\` ${topK}: expected a whole number from 1`);
  }
  const small = teachers.find(({ n_classes }) => topK > n_classes);
  if (!small) return;
  throw new TemperError('USAGE', `\`topK\` ${topK}: ${small.name} has ${small.n_classes} classes`, {
    hint: 'Leave `topK` out to store all of them.',
  });
}

/** @throws TemperError USAGE for parts that split the views of a sample, or are too many */
function checkRowsPerPart(rows: number, views: number, total: number): void {
  const whole = Math.max(1, Math.round(rows / views)) * views;
  if (!Number.isSafeInteger(rows) || rows < 1 || rows % views !== 0) {
    throw new TemperError('USAGE', `\`rowsPerShard\` ${rows}: splits the ${views} views of a sample`, {
      hint: `Use ${whole}.`,
    });
  }
  if (Math.ceil(total / rows) <= MAX_PARTS) return;
  throw new TemperError('USAGE', `\`rowsPerShard\` ${rows}: ${Math.ceil(total / rows)} parts, at most a million`, {
    hint: 'Make parts larger.',
  });
}

/** Which views are drawn, or replayed. */
export type ViewPlan = Pick<StoreRun, 'views' | 'seed' | 'augment' | 'views_from'>;

export interface RunFacts {
  readonly chosen: ChosenData;
  /** SHA-256 of samples.csv. */
  readonly samples: string;
  /** Images of a batch. */
  readonly batch: number;
  readonly views: ViewPlan;
  readonly teachers: readonly Teacher[];
}

/** The run of a store, from what was found out before its first row. @throws TemperError USAGE */
export function planRun(form: TargetForm, { chosen, samples, batch, views, teachers }: RunFacts): StoreRun {
  const { dataset, rows } = chosen;
  const { topK, storeDtype = 'float16' } = form;
  checkTopK(topK, teachers);
  const stored = {
    kind: topK === undefined ? ('dense' as const) : ('top_k' as const),
    top_k: topK ?? null,
    store_dtype: storeDtype,
    temperatures: declaredTemperatures(form),
  };
  const n_rows = rows.length * views.views;
  const largest = Math.max(...teachers.map((teacher) => rowBytes(teacherColumns(stored, teacher))));
  const rows_per_part = form.rowsPerShard ?? defaultRowsPerPart(views.views, largest);
  checkRowsPerPart(rows_per_part, views.views, n_rows);
  return {
    format: FORMAT,
    version: FORMAT_VERSION,
    tool: { name: 'onnx-temper', version },
    n_samples: rows.length,
    n_rows,
    rows_per_part,
    n_parts: Math.ceil(n_rows / rows_per_part),
    batch,
    ...stored,
    ...views,
    samples: { sha256: samples, format: dataset.format },
    data_sha256: dataset.tableHash(),
    classes: dataset.classes ?? null,
    teachers,
  };
}
