import type { AugmentOptions, DatasetFormat, Transform } from '../../data/index.ts';

export const FORMAT = 'onnx-temper-targets';
export const FORMAT_VERSION = 1;

export const STORE_KINDS = ['dense', 'top_k'] as const;
export type StoreKind = (typeof STORE_KINDS)[number];
export const STORE_DTYPES = ['float16', 'float32'] as const;
export type StoreDtype = (typeof STORE_DTYPES)[number];

/** A network whose outputs are stored. */
export interface Teacher {
  /** Its folder, teachers/<index>. */
  readonly index: number;
  /** File name without its folder. */
  readonly name: string;
  readonly sha256: string;
  /** Data files beside the model. */
  readonly external_data: readonly { readonly location: string; readonly sha256: string }[];
  /** Stored classes: the network's, or those that the class map names. */
  readonly n_classes: number;
  /** Of the network's input. */
  readonly channels: number;
  readonly input: string;
  readonly output: string;
  /** Of probabilities log p is stored, of sigmoid scores ln(p / (1 - p)); log-probabilities count as logits. */
  readonly outputs: 'logits' | 'probabilities' | 'sigmoid';
  readonly provider: string;
  readonly onnxruntime: string;
  /** Null for data that is network input already. */
  readonly transform: Transform | null;
  readonly transform_sha256: string | null;
  /** For each stored class the network's output; null: all outputs, in their order. */
  readonly class_map: readonly number[] | null;
  /** Of class_map as canonical JSON. */
  readonly class_map_sha256: string | null;
}

/** All that is fixed before the first image is decoded: what every worker of a job must agree on. */
export interface StoreRun {
  readonly format: typeof FORMAT;
  readonly version: typeof FORMAT_VERSION;
  readonly tool: { readonly name: string; readonly version: string };
  readonly n_samples: number;
  readonly views: number;
  /** n_samples · views. */
  readonly n_rows: number;
  /** A multiple of views. */
  readonly rows_per_part: number;
  readonly n_parts: number;
  /** Images of a batch: other batches may round otherwise. */
  readonly batch: number;
  readonly kind: StoreKind;
  readonly top_k: number | null;
  readonly store_dtype: StoreDtype;
  readonly temperatures: readonly number[];
  readonly seed: number;
  /** Null: the evaluation transform. */
  readonly augment: AugmentOptions | null;
  /** SHA-256 of run.json of the store whose views are replayed. */
  readonly views_from: string | null;
  readonly samples: { readonly sha256: string; readonly format: DatasetFormat };
  /** Dataset.tableHash() of the whole table, of which the samples may be a selection. */
  readonly data_sha256: string;
  /** Class names of the data by index, where they are known. */
  readonly classes: readonly string[] | null;
  readonly teachers: readonly Teacher[];
}

/** A file of the store, by its path with forward slashes. */
export interface FileRecord {
  readonly sha256: string;
  readonly bytes: number;
}
type FileRecords = Readonly<Record<string, FileRecord>>;

/** A sample that could not be decoded; its rows have status 1. */
export interface BadSample {
  readonly key: string;
  /** Error code. */
  readonly code: string;
}

/** How a teacher did on labelled rows. */
export interface TeacherScore {
  /** Rows: with views each counts. */
  readonly n: number;
  /** In a sidecar sums over its rows, in the manifest fractions and the mean. */
  readonly top1: number;
  readonly top5: number;
  /** Nats. */
  readonly nll: number;
}

/** Beside a part's arrays, written after them: it makes the part count as done. */
export interface Sidecar {
  readonly part: number;
  readonly n_parts: number;
  readonly first_row: number;
  readonly n_rows: number;
  /** SHA-256 of run.json. */
  readonly run: string;
  readonly files: FileRecords;
  /** Sums, per teacher; null without labels. */
  readonly scores: readonly TeacherScore[] | null;
  readonly bad_images: readonly BadSample[];
}

/** Written last: a folder with one is a whole store. */
export interface Manifest extends StoreRun {
  /** Per teacher; null without labels. */
  readonly scores: readonly TeacherScore[] | null;
  readonly bad_images: readonly BadSample[];
  /** All files but the manifest. */
  readonly files: FileRecords;
  readonly parts: readonly { readonly part: number; readonly first_row: number; readonly n_rows: number }[];
}

/** Members in the order in which the manifest has them: what a person looks for first. */
const ORDER = [
  'format',
  'version',
  'tool',
  'n_samples',
  'views',
  'n_rows',
  'rows_per_part',
  'n_parts',
  'batch',
  'kind',
  'top_k',
  'store_dtype',
  'temperatures',
  'seed',
  'augment',
  'views_from',
  'samples',
  'data_sha256',
  'classes',
  'teachers',
  'scores',
  'bad_images',
  'files',
  'parts',
] as const satisfies readonly (keyof Manifest)[];
const TEACHER_ORDER = [
  'index',
  'name',
  'sha256',
  'external_data',
  'n_classes',
  'channels',
  'input',
  'output',
  'outputs',
  'provider',
  'onnxruntime',
  'transform',
  'transform_sha256',
  'class_map',
  'class_map_sha256',
] as const satisfies readonly (keyof Teacher)[];

const inOrder = <T extends object>(value: T, names: readonly (keyof T)[]): Partial<T> =>
  Object.fromEntries(names.map((name) => [name, value[name]])) as Partial<T>;

/** The manifest's text: one for equal manifests. */
export function manifestText(manifest: Manifest): string {
  const teachers = manifest.teachers.map((teacher) => inOrder(teacher, TEACHER_ORDER));
  return `${JSON.stringify({ ...inOrder(manifest, ORDER), teachers }, null, 2)}\n`;
}
