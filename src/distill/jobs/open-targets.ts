import { TemperError } from '../../core/index.ts';
import type { Sample, ViewRecord } from '../../data/index.ts';
import { type Manifest, openStore, type Part, STATUS_BAD, type TargetRows, type ViewRows } from '../store/index.ts';

/** Which targets of a sample. */
export interface TargetAddress {
  /** @default 0 */
  readonly view?: number | undefined;
  /** Position among the store's teachers. @default 0 */
  readonly teacher?: number | undefined;
}

/** What a teacher said of one view of a sample. C classes, or the K highest of a top-K store; nT temperatures. */
export interface TargetRow {
  /** [C] or [K]: logits minus the highest, so that none is above 0; of a top-K store falling. */
  readonly values: Float32Array;
  /** [K]: the class of each value; undefined where all are stored, in order. */
  readonly classes: Uint16Array | Uint32Array | undefined;
  /** The highest logit. */
  readonly max: number;
  /** [nT]: ln Σ exp((z − max)/T) over all C classes at each of the manifest's temperatures: ln p = value/T − lse. */
  readonly lse: Float32Array;
  /** [channels]: mean and deviation of the network's input, to tell whether a replayed view is the same. */
  readonly inputMean: Float32Array;
  readonly inputStd: Float32Array;
  /** How the view was made, in pixels of the source; undefined for the evaluation transform. */
  readonly record: ViewRecord | undefined;
}

/** A whole store, open for reading. One part is open at a time: rows in order are read fastest. */
export interface Targets {
  /** What the store holds and was made from: samples, views, temperatures, teachers with their transforms, scores. */
  readonly manifest: Manifest;
  /** The samples by ordinal: key, and label where there is one. Memory does not grow with them. */
  samples(): AsyncGenerator<Sample, void, undefined>;
  /**
   * @param ordinal the place of the sample in `samples()`
   * @returns undefined for an image that could not be decoded
   * @throws TemperError USAGE for a place that the store does not have; INPUT_*, FORMAT_* for a damaged part
   */
  row(ordinal: number, address?: TargetAddress): TargetRow | undefined;
  /**
   * A teacher's logits [C] of one view, up to the rounding of the stored type; undefined for an image that could not be decoded.
   * @throws TemperError as `row`; UNSUPPORTED_FORMAT for a top-K store, which has no others
   */
  logits(ordinal: number, address?: TargetAddress): Float32Array | undefined;
  close(): void;
}

function assertBelow(what: string, found: number, count: number): void {
  if (Number.isInteger(found) && found >= 0 && found < count) return;
  throw new TemperError('USAGE', `${what} ${found}: the store has ${count}, counted from 0`);
}

/**
 * Opens a whole store for reading from code; the caller closes it. Memory: a row at a time.
 * @throws TemperError INPUT_NOT_FOUND (no store, or an incomplete one), FORMAT_*, UNSUPPORTED_FORMAT
 * @example
 * const targets = openTargets('targets/');
 * let ordinal = 0;
 * for await (const { key } of targets.samples()) console.log(key, targets.row(ordinal++, { view: 0 })?.values);
 * targets.close();
 */
export function openTargets(folder: string): Targets {
  const store = openStore(folder);
  const { manifest } = store;
  const { n_samples, views, rows_per_part, teachers, top_k } = manifest;
  let part: Part | undefined;
  const partOf = (row: number): Part => {
    const index = Math.floor(row / rows_per_part);
    if (part?.index === index) return part;
    part?.close();
    part = undefined;
    part = store.part(index);
    return part;
  };
  const row = (ordinal: number, { view = 0, teacher = 0 }: TargetAddress = {}): TargetRow | undefined => {
    assertBelow('sample', ordinal, n_samples);
    assertBelow('view', view, views);
    assertBelow('teacher', teacher, teachers.length);
    const at = ordinal * views + view;
    const found = partOf(at);
    const place = at - found.first;
    const { status, records }: ViewRows = found.views(place, place + 1);
    if (status[0] === STATUS_BAD) return undefined;
    const { values, indices, max, lse, inputMean, inputStd }: TargetRows = found.targets(teacher, place, place + 1);
    return { values, classes: indices, max: max[0] as number, lse, inputMean, inputStd, record: records?.[0] };
  };
  return {
    manifest,
    samples: () => store.samples(),
    row,
    logits(ordinal, address) {
      if (top_k !== null) {
        throw new TemperError('UNSUPPORTED_FORMAT', `${folder}: has the ${top_k} highest logits of each row`, {
          hint: 'Read `row`, or store the targets again without `topK`.',
        });
      }
      const found = row(ordinal, address);
      return found?.values.map((value) => value + found.max);
    },
    close() {
      part?.close();
      part = undefined;
    },
  };
}
