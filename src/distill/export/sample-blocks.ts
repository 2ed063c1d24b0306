import { TemperError } from '../../core/index.ts';
import type { Sample, ViewRecord } from '../../data/index.ts';
import { STATUS_OK, type Store, type TargetRows } from '../store/index.ts';

/** Some neighbouring samples of a store with their rows. Row i · views + v is view v of samples[i]. */
export interface SampleBlock {
  /** The ordinal of the first sample. */
  readonly first: number;
  readonly samples: readonly Sample[];
  /** Per sample: whether it has targets. */
  readonly ok: readonly boolean[];
  /** Per row: how the view was made; without augmentation the evaluation geometry. */
  readonly records: readonly ViewRecord[];
  /** Per row; 0 without augmentation. */
  readonly seeds: BigUint64Array;
  /** Per row: height and width of the decoded picture. */
  readonly sizes: readonly { readonly height: number; readonly width: number }[];
  readonly targets: TargetRows;
  /** The values of `targets` as they are stored: float16 as bit patterns, or float32. */
  readonly stored: Uint16Array | Float32Array;
}

const EVALUATION: ViewRecord = { crop: null, flip: false, jitter: [] };
/** Values of a block: some megabytes as JavaScript numbers. */
const BLOCK_VALUES = 1 << 19;

function shortTable({ folder, manifest }: Store, found: number): TemperError {
  const what = `${folder}: samples.csv has ${found} samples, expected ${manifest.n_samples}`;
  return new TemperError('FORMAT_TABLE', what, { hint: 'The store is damaged: teacher-logits verify says more.' });
}

/** Reads a store block by block, in table order. Memory: a block of half a million values, or of one sample. */
export async function* sampleBlocks(store: Store, teacher: number): AsyncGenerator<SampleBlock, void, undefined> {
  const { views, n_parts, top_k, teachers } = store.manifest;
  const width = top_k ?? (teachers[teacher]?.n_classes as number);
  const perBlock = Math.max(1, Math.floor(BLOCK_VALUES / (width * views)));
  const samples = store.samples();
  try {
    for (let p = 0; p < n_parts; p++) {
      const part = store.part(p);
      try {
        const rows = part.end - part.first;
        for (let at = 0; at < rows; at += perBlock * views) {
          const end = Math.min(rows, at + perBlock * views);
          const found: Sample[] = [];
          while (found.length < (end - at) / views) {
            const next = await samples.next();
            if (next.done) throw shortTable(store, (part.first + at) / views + found.length);
            found.push(next.value);
          }
          const { records, seed, status, source } = part.views(at, end);
          yield {
            first: (part.first + at) / views,
            samples: found,
            ok: found.map((_, i) => status[i * views] === STATUS_OK),
            records: records ?? Array.from(status, () => EVALUATION),
            seeds: seed ?? new BigUint64Array(end - at),
            sizes: source,
            targets: part.targets(teacher, at, end),
            stored: part.column(teacher + 1, top_k === null ? 'logits' : 'values', at, end) as
              | Uint16Array
              | Float32Array,
          };
        }
      } finally {
        part.close();
      }
    }
  } finally {
    await samples.return();
  }
}
