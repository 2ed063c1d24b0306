import { TemperError } from '../core/index.ts';
import {
  type DataOptions,
  type Dataset,
  dataFiles,
  openData,
  rowsHash,
  rowsOfParts,
  type SetPart,
} from '../data/index.ts';
import type { DataSettings, Settings } from './settings.ts';

/** Which images do what. No image of `reporting` is looked at before the end; `judging` and `selecting` are the halves of `choosing`. */
export interface Split {
  /** What every choice is made on. */
  readonly choosing: DataOptions;
  /** The half of it that candidates are chosen by: jobs that need two halves cut the same ones. */
  readonly selecting: DataOptions;
  /** The half of it that says whether what was chosen is better. */
  readonly judging: DataOptions;
  /** What reports at the end: the test set, or the other half of `val`. */
  readonly reporting: DataOptions;
}

const half = (data: DataOptions, seed: number, take: SetPart['take']): DataOptions => ({
  ...data,
  parts: [...(data.parts ?? []), { seed, take }],
});

/** One split for all steps. Pure. */
export function splitOf({ val, test, seed }: Pick<Settings, 'val' | 'test' | 'seed'>): Split {
  const seeded = (data: DataSettings): DataOptions => ({ ...data, seed: data.seed ?? seed });
  const all = seeded(val);
  const choosing = test ? all : half(all, seed, 'choose');
  return {
    choosing,
    selecting: half(choosing, seed, 'choose'),
    judging: half(choosing, seed, 'report'),
    reporting: test ? seeded(test) : half(all, seed, 'report'),
  };
}

/** What a set holds, without its images. */
export interface ReadSet {
  readonly images: number;
  readonly tableSha256: string;
  readonly rowsSha256: string;
  readonly classes: readonly string[] | undefined;
  readonly isImages: boolean;
}

/** A set whose images other sets may share. */
export interface KeyedSet extends ReadSet {
  readonly keys: readonly string[];
}

interface Reading {
  readonly labelled: boolean;
  /** The option that names the set. */
  readonly as: string;
  /** Refuses the set. */
  readonly check?: (dataset: Dataset) => void;
}

const wholeOf = (dataset: Dataset, rows: Uint32Array): ReadSet => ({
  images: rows.length,
  tableSha256: dataset.tableHash(),
  rowsSha256: rowsHash(rows),
  classes: dataset.classes,
  isImages: dataset.kind !== 'tensor',
});

/** Opens a set once, and says what its rows are, and those of parts of it. @throws TemperError USAGE, INPUT_*, FORMAT_* */
export async function readParts<Name extends string>(
  data: DataOptions,
  parts: Readonly<Record<Name, readonly SetPart[]>>,
  { labelled, as, check = () => {} }: Reading,
): Promise<ReadSet & { readonly parts: Readonly<Record<Name, KeyedSet>> }> {
  const { dataset, rows } = await openData(data, { labelled, as });
  try {
    check(dataset);
    const whole = wholeOf(dataset, rows);
    const partOf = (halves: readonly SetPart[]): KeyedSet => {
      const own = rowsOfParts(dataset, rows, halves);
      const keys = Array.from(own, (row) => dataset.sample(row).key);
      return { ...whole, images: own.length, rowsSha256: rowsHash(own), keys };
    };
    const names = Object.keys(parts) as Name[];
    return {
      ...whole,
      parts: Object.fromEntries(names.map((name) => [name, partOf(parts[name])])) as Record<Name, KeyedSet>,
    };
  } finally {
    await dataset.close();
  }
}

/** Images that choose must not report: two sets of one source may not share any. @throws TemperError USAGE */
export function assertApart(val: DataOptions, chooses: KeyedSet, test: DataOptions, reports: KeyedSet): void {
  const isOneSource = dataFiles(val).join('\n') === dataFiles(test).join('\n') && val.split === test.split;
  if (!isOneSource) return;
  const seen = new Set(chooses.keys);
  const shared = reports.keys.filter((key) => seen.has(key)).length;
  if (shared === 0) return;
  throw new TemperError('USAGE', `\`test\` shares ${shared} images with \`val\``, {
    hint: 'Leave `test` out: one half of `val` then reports; or name other images.',
    details: { shared },
  });
}
