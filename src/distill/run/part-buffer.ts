import { streamKey, TemperError } from '../../core/index.ts';
import { type Dataset, type ImageFacts, type InputStatistics, JITTER_OPS, type ViewRecord } from '../../data/index.ts';
import { scoreBatch } from '../../evaluate/index.ts';
import type { ClassOutput } from '../../runtime/index.ts';
import type { OutputKind } from '../../signature/index.ts';
import {
  allocatePart,
  type BadSample,
  type ColumnArrays,
  keyHash,
  NO_JITTER,
  partRange,
  STATUS_BAD,
  type StoreRun,
  type TeacherScore,
  targetEncoder,
  writePart,
} from '../store/index.ts';
import { logitsOfRow } from './teacher-stage.ts';

/** What a batch says of its images, beside the outputs. With V views each row stands V times, side by side. */
export interface BatchRows {
  /** Places in the table of samples, per row. */
  readonly ordinals: Uint32Array;
  readonly keys: readonly string[];
  readonly labels: Int32Array | undefined;
  /** Per image; empty for ready tensors. */
  readonly facts: readonly ImageFacts[];
}

/** A part while it is made. */
export interface PartBuffer {
  readonly index: number;
  /** @param outputs per teacher @param statistics per teacher */
  add(batch: BatchRows, outputs: readonly ClassOutput[], statistics: readonly InputStatistics[]): void;
  /** A sample that could not be decoded. */
  bad(ordinal: number, code: string): void;
  /** What will be written as the view columns. */
  readonly views: ColumnArrays;
  /** Writes the part. @throws TemperError OUTPUT_WRITE */
  write(folder: string, runHash: string): void;
}

interface ViewArrays {
  readonly key_hash: BigUint64Array;
  readonly source_size: Uint32Array;
  readonly status: Uint8Array;
  readonly view_seed?: BigUint64Array;
  readonly crop?: Int32Array;
  readonly flip?: Uint8Array;
  readonly jitter?: Float32Array;
  readonly jitter_order?: Uint8Array;
}

function setRecord(arrays: ViewArrays, row: number, { crop, flip, jitter }: ViewRecord): void {
  if (crop) arrays.crop?.set([crop.top, crop.left, crop.height, crop.width], 4 * row);
  if (flip) arrays.flip?.fill(1, row, row + 1);
  const ops = JITTER_OPS.length;
  arrays.jitter?.fill(1, ops * row, ops * (row + 1));
  arrays.jitter_order?.fill(NO_JITTER, ops * row, ops * (row + 1));
  jitter.forEach(({ op, factor }, place) => {
    const at = JITTER_OPS.indexOf(op);
    arrays.jitter?.set([factor], ops * row + at);
    arrays.jitter_order?.set([at], ops * row + place);
  });
}

/** Adds a batch to a teacher's sums. */
function addScores(sums: TeacherScore, output: ClassOutput, batch: BatchRows, kind: OutputKind): TeacherScore {
  const { labels, keys } = batch;
  if (!labels) return sums;
  // Those of a class map are some of a row's probabilities.
  const { top5, nll } = scoreBatch(output, keys, labels, { kind, exact: false });
  const hits = (places: number): number => {
    let count = 0;
    for (let row = 0; row < labels.length; row++)
      count += Number(top5.subarray(5 * row, 5 * row + places).includes(labels[row] as number));
    return count;
  };
  return {
    n: sums.n + labels.length,
    top1: sums.top1 + hits(1),
    top5: sums.top5 + hits(5),
    nll: nll.reduce((sum, value) => sum + value, sums.nll),
  };
}

/**
 * Collects a part's rows. Memory: the part's arrays.
 * @param rows the samples' rows in the data set
 */
export function partBuffer(run: StoreRun, index: number, dataset: Dataset, rows: Uint32Array): PartBuffer {
  const { first, end } = partRange(run, index);
  const [views, ...targets] = allocatePart(run, index) as [ColumnArrays, ...ColumnArrays[]];
  const encoders = targets.map((columns) => targetEncoder(run, columns));
  const logits = run.teachers.map(({ n_classes }) => new Float64Array(n_classes));
  const viewArrays = views as unknown as ViewArrays;
  const bad = new Map<number, string>();
  const key = (ordinal: number): string => dataset.sample(rows[ordinal] as number).key;
  const firstSample = first / run.views;
  const endSample = end / run.views;
  let scores: TeacherScore[] = run.teachers.map(() => ({ n: 0, top1: 0, top5: 0, nll: 0 }));
  for (let ordinal = firstSample; ordinal < endSample; ordinal++) {
    const at = (ordinal - firstSample) * run.views;
    viewArrays.key_hash.fill(keyHash(key(ordinal)), at, at + run.views);
  }

  const addViews = ({ ordinals, keys, facts }: BatchRows): void => {
    for (const [image, { source, views: records }] of facts.entries()) {
      const row = (ordinals[image * run.views] as number) * run.views - first;
      for (let view = 0; view < run.views; view++) {
        viewArrays.source_size.set([source.height, source.width], 2 * (row + view));
        const record = records[view];
        if (!record) continue;
        setRecord(viewArrays, row + view, record);
        viewArrays.view_seed?.set([streamKey(run.seed, keys[image * run.views] as string, view)], row + view);
      }
    }
  };
  const addTargets = (t: number, { ordinals, keys }: BatchRows, output: ClassOutput, inputs: InputStatistics): void => {
    const { name, channels, outputs } = run.teachers[t] as StoreRun['teachers'][number];
    const z = logits[t] as Float64Array;
    const [mean, std] = [targets[t]?.input_mean, targets[t]?.input_std] as [Float32Array, Float32Array];
    for (let i = 0; i < ordinals.length; i++) {
      const view = i % run.views;
      const row = (ordinals[i] as number) * run.views + view - first;
      logitsOfRow(output, i, outputs, z);
      encoders[t]?.(row, z, `${name}: key "${keys[i]}", view ${view}`);
      mean.set(inputs.mean.subarray(i * channels, (i + 1) * channels), row * channels);
      std.set(inputs.std.subarray(i * channels, (i + 1) * channels), row * channels);
    }
  };
  return {
    index,
    views,
    add(batch, outputs, statistics) {
      addViews(batch);
      for (const [t, output] of outputs.entries()) addTargets(t, batch, output, statistics[t] as InputStatistics);
      scores = scores.map((sums, t) =>
        addScores(sums, outputs[t] as ClassOutput, batch, run.teachers[t]?.outputs ?? 'logits'),
      );
    },
    bad(ordinal, code) {
      bad.set(ordinal, code);
      const at = ordinal * run.views - first;
      viewArrays.status.fill(STATUS_BAD, at, at + run.views);
    },
    write(folder, runHash) {
      const listed: BadSample[] = [...bad].sort(([a], [b]) => a - b).map(([at, code]) => ({ key: key(at), code }));
      const facts = { scores: dataset.labelled ? scores : null, bad_images: listed };
      writePart(folder, run, runHash, index, [views, ...targets], facts);
    },
  };
}

/**
 * Refuses images that are not those of the store whose views are replayed: their views would not be the same.
 * @throws TemperError MISMATCH_VALUE
 */
export function assertSameImages(
  made: ColumnArrays,
  base: ColumnArrays,
  keyOf: (row: number) => string,
  from: string,
): void {
  for (const name of ['key_hash', 'status', 'source_size'] as const) {
    const [a, b] = [made[name], base[name]] as [BigUint64Array, BigUint64Array];
    const at = a.findIndex((value, i) => value !== b[i]);
    if (at < 0) continue;
    const row = name === 'source_size' ? at >> 1 : at;
    const what = `sample "${keyOf(row)}": ${name} is ${a[at]} now, ${b[at]} in ${from}`;
    throw new TemperError('MISMATCH_VALUE', what, {
      hint: 'Replay views on the images that they were drawn on, or draw new ones (`augment`).',
      details: { name, row },
    });
  }
}
