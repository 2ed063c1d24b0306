import {
  type ByteSource,
  canonicalJson,
  EXIT_CODES,
  fromWire,
  openAtomic,
  openSafetensors,
  type SafetensorsTensor,
  TemperError,
  type TensorReader,
  tensorReader,
  writeSafetensors,
} from '../../core/index.ts';
import type { BadImageRecord, Size } from '../../data/index.ts';
import { OUTPUT_KINDS } from '../../evaluate/index.ts';
import { summarizeTiming } from '../../runtime/index.ts';
import { assertSameSweep, type PartRun } from './part-run.ts';
import type { RowEvaluation } from './rows.ts';
import type { CellOutcome } from './run.ts';

const FORMAT = 'onnx-temper sweep part 1';
const HINT = 'Give files that res-sweep `shard` wrote; a damaged one is made again by its worker.';

/** What a worker measured. */
export interface SweepPart {
  readonly run: PartRun;
  /** Numbers of its rows, rising, and what became of each. */
  readonly cells: readonly number[];
  readonly outcomes: readonly CellOutcome[];
  /** Of every image; none if no row of the part ran. */
  readonly sources: readonly Size[];
  readonly quarantine: readonly BadImageRecord[];
}

/** A part, and where it lies. */
export interface WrittenPart extends SweepPart {
  readonly path: string;
}

/** What the header says of a row; the arrays of one that was measured are tensors. */
interface CellHeader {
  readonly cell: number;
  readonly ran: boolean;
  readonly failed?: { readonly code: string; readonly message: string; readonly hint: string | null };
  readonly outputs?: string;
  readonly classes?: number;
  readonly enlarged?: number;
  readonly padded?: number;
  readonly preparation_ms?: number;
}

function headerOf(cell: number, { ran, outcome }: CellOutcome): CellHeader {
  if ('failed' in outcome) {
    const { code, message, hint = null } = outcome.failed;
    return { cell, ran, failed: { code, message, hint } };
  }
  const { outputs, classes, enlarged, padded, preparationMs } = outcome;
  return { cell, ran, outputs, classes, enlarged, padded, preparation_ms: preparationMs };
}

/** The tensors of a row that was measured, of n images in b batches. */
const SHAPES = {
  labels: (n: number) => [n],
  top5: (n: number) => [n, 5],
  nll: (n: number) => [n],
  confidence: (n: number) => [n],
  sum_p2: (n: number) => [n],
  batch_images: (_: number, b: number) => [b],
  batch_ms: (_: number, b: number) => [b],
} as const;

function tensorsOf(cell: number, { outcome }: CellOutcome): SafetensorsTensor[] {
  if ('failed' in outcome) return [];
  const { predictions: p, times } = outcome;
  const [n, b] = [p.labels.length, times.ms.length];
  const tensor = (
    name: keyof typeof SHAPES,
    dtype: SafetensorsTensor['dtype'],
    data: ArrayBufferView,
  ): SafetensorsTensor => ({ name: `${name}.${cell}`, dtype, shape: SHAPES[name](n, b), data });
  return [
    tensor('labels', 'I32', p.labels),
    tensor('top5', 'I32', p.top5),
    tensor('nll', 'F64', p.nll),
    tensor('confidence', 'F64', p.confidence),
    tensor('sum_p2', 'F64', p.sumP2),
    tensor('batch_images', 'U32', Uint32Array.from(times.rows)),
    tensor('batch_ms', 'F64', Float64Array.from(times.ms)),
  ];
}

/**
 * Writes a worker's rows as safetensors: the run, what became of each row and the images that were left out as canonical JSON in the
 * metadata; of every image its size, of every measured row what was said of each image and how long each batch took. The file is
 * published atomically.
 * @throws TemperError OUTPUT_EXISTS unless `force`; OUTPUT_WRITE
 * @returns its SHA-256
 */
export function writePart(path: string, part: SweepPart, options: { readonly force: boolean }): string {
  const { run, cells, outcomes, sources, quarantine } = part;
  const sizes = Uint32Array.from(sources.flatMap(({ width, height }) => [width, height]));
  const file = openAtomic(path);
  try {
    writeSafetensors(
      file,
      [
        { name: 'sources', dtype: 'U32', shape: [sources.length, 2], data: sizes },
        ...outcomes.flatMap((outcome, i) => tensorsOf(cells[i] as number, outcome)),
      ],
      new Map([
        ['format', FORMAT],
        ['run', canonicalJson(run)],
        ['cells', canonicalJson(outcomes.map((outcome, i) => headerOf(cells[i] as number, outcome)))],
        ['quarantine', canonicalJson(quarantine)],
      ]),
    );
    const sha256 = file.sha256();
    file.publish(options);
    return sha256;
  } finally {
    file.discard();
  }
}

type Malformed = (what: string) => TemperError;

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isFraction = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value <= 1;

/** Whether the header says of a row what one can be. */
function isCell(value: unknown): value is CellHeader {
  if (!isRecord(value) || !Number.isSafeInteger(value.cell) || typeof value.ran !== 'boolean') return false;
  const { failed } = value;
  if (failed !== undefined) {
    if (!isRecord(failed) || typeof failed.code !== 'string' || typeof failed.message !== 'string') return false;
    return Object.hasOwn(EXIT_CODES, failed.code) && (failed.hint === null || typeof failed.hint === 'string');
  }
  return (
    typeof value.outputs === 'string' &&
    Object.hasOwn(OUTPUT_KINDS, value.outputs) &&
    Number.isSafeInteger(value.classes) &&
    isFraction(value.enlarged) &&
    isFraction(value.padded) &&
    Number.isFinite(value.preparation_ms)
  );
}

const isBadImage = (value: unknown): value is BadImageRecord =>
  isRecord(value) &&
  Number.isSafeInteger(value.row) &&
  [value.key, value.code, value.message].every((text) => typeof text === 'string');

/** The fields are compared with those of the sweep, one by one; only these are used before. */
const isRun = (value: unknown): value is PartRun =>
  isRecord(value) && Number.isSafeInteger(value.cells) && typeof value.processor === 'string';

/** A list of the metadata. @throws what `malformed` makes */
function listOf<T>(
  text: string | undefined,
  what: string,
  valid: (value: unknown) => value is T,
  malformed: Malformed,
): T[] {
  let list: unknown;
  try {
    list = JSON.parse(text ?? '');
  } catch {
    throw malformed(`${what} is no JSON`);
  }
  if (Array.isArray(list) && list.every(valid)) return list;
  throw malformed(`${what} is not what a worker writes`);
}

function runOf(text: string | undefined, malformed: Malformed): PartRun {
  const [run] = listOf(`[${text ?? ''}]`, 'run', isRun, malformed);
  if (!run) throw malformed('run is missing');
  return run;
}

type Outcome = CellOutcome['outcome'];

function outcomeOf(header: CellHeader, keys: readonly string[], read: TensorReader): Outcome {
  const { cell, failed } = header;
  if (failed) {
    const { code, message, hint } = failed;
    return {
      failed: fromWire({ code: code as keyof typeof EXIT_CODES, message, hint: hint ?? undefined, details: {} }),
    };
  }
  const times = {
    rows: [...read(`batch_images.${cell}`, [Uint32Array])],
    ms: [...read(`batch_ms.${cell}`, [Float64Array])],
  };
  return {
    predictions: {
      keys,
      labels: read(`labels.${cell}`, [Int32Array]),
      top5: read(`top5.${cell}`, [Int32Array]),
      nll: read(`nll.${cell}`, [Float64Array]),
      confidence: read(`confidence.${cell}`, [Float64Array]),
      sumP2: read(`sum_p2.${cell}`, [Float64Array]),
    },
    outputs: header.outputs as RowEvaluation['outputs'],
    classes: header.classes as number,
    enlarged: header.enlarged as number,
    padded: header.padded as number,
    preparationMs: header.preparation_ms as number,
    timing: summarizeTiming(times),
    times,
  };
}

/**
 * Reads a part of a job and checks its structure.
 * @param keysWithout keys of the images of the job in their order, without these
 * @throws TemperError FORMAT_* as openSafetensors; FORMAT_MALFORMED for another kind of file, or values that none can be;
 * MISMATCH_VALUE for a part of another job
 */
export function readPart(
  source: ByteSource,
  job: PartRun,
  keysWithout: (bad: ReadonlySet<string>) => readonly string[],
): WrittenPart {
  const file = openSafetensors(source);
  const { path } = source;
  const malformed: Malformed = (what) =>
    new TemperError('FORMAT_MALFORMED', `${path}: ${what}`, { hint: HINT, details: { path } });
  const { metadata } = file;
  const format = metadata.get('format');
  if (format !== FORMAT) throw malformed(`format ${JSON.stringify(format)}, expected "${FORMAT}"`);
  const run = runOf(metadata.get('run'), malformed);
  // First: sizes of all that follows are those of the job.
  assertSameSweep({ path: 'this command', run: job }, { path, run });
  const headers = listOf(metadata.get('cells'), 'cells', isCell, malformed);
  const quarantine = listOf(metadata.get('quarantine'), 'quarantine', isBadImage, malformed);
  headers.forEach(({ cell }, i) => {
    if (cell < 0 || cell >= run.cells || (i > 0 && cell <= (headers[i - 1] as CellHeader).cell))
      throw malformed(`row ${cell} of ${run.cells} in place ${i}: rows do not rise, or are not of the job`);
  });
  const keys = keysWithout(new Set(quarantine.map(({ key }) => key)));
  const measured = headers.filter(({ failed }) => failed === undefined);
  const shapes = new Map<string, readonly number[]>([
    ['sources', [headers.some(({ ran }) => ran) ? keys.length : 0, 2]],
    ...measured.flatMap(({ cell }) => {
      const batches = file.tensors.get(`batch_ms.${cell}`)?.shape[0] ?? 0;
      return Object.entries(SHAPES).map(([name, shape]): [string, readonly number[]] => [
        `${name}.${cell}`,
        shape(keys.length, batches),
      ]);
    }),
  ]);
  const read = tensorReader(file, shapes, malformed);
  const sizes = read('sources', [Uint32Array]);
  const outcomes = headers.map((header): CellOutcome => {
    const outcome = outcomeOf(header, keys, read);
    if (!('failed' in outcome)) {
      const { nll, confidence, sumP2 } = outcome.predictions;
      const bad = [nll, confidence, sumP2].some((values) => !values.every((value) => value >= 0));
      if (bad) throw malformed(`row ${header.cell} has values that are no probabilities`);
    }
    return { ran: header.ran, outcome };
  });
  return {
    path,
    run,
    cells: headers.map(({ cell }) => cell),
    outcomes,
    quarantine,
    sources: Array.from({ length: sizes.length / 2 }, (_, i) => ({
      width: sizes[2 * i] as number,
      height: sizes[2 * i + 1] as number,
    })),
  };
}
