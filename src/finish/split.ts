import { existsSync, realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { TemperError } from '../core/index.ts';
import {
  type ChosenData,
  type DataOptions,
  type Dataset,
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
  readonly check?: (chosen: ChosenData) => void;
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
  const chosen = await openData(data, { labelled, as });
  const { dataset, rows } = chosen;
  try {
    check(chosen);
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

/** Where a set is read, links followed; what names several files stays as it is written. */
function placeOf({ source, split }: DataOptions): string {
  const path = resolve(source);
  return JSON.stringify([existsSync(path) ? realpathSync(path) : path, split ?? null]);
}

/** Whether two sets are read from one place: keys of others say nothing of each other. */
export const isOnePlace = (one: DataOptions, other: DataOptions): boolean => placeOf(one) === placeOf(other);

/** A set by the option that names it. */
export interface NamedSet {
  readonly name: 'train' | 'val' | 'test';
  readonly data: DataOptions;
  readonly keys: readonly string[];
}

/** What is trained on or chooses must not report: no two sets may share an image. @throws TemperError USAGE */
export function assertApart(sets: readonly NamedSet[]): void {
  for (const [i, one] of sets.entries()) {
    const seen = new Set(one.keys);
    for (const other of sets.slice(i + 1).filter(({ data }) => isOnePlace(data, one.data))) {
      const shared = other.keys.filter((key) => seen.has(key)).length;
      if (shared === 0) continue;
      throw new TemperError('USAGE', `\`${other.name}\` shares ${shared} images with \`${one.name}\``, {
        hint:
          other.name === 'test'
            ? 'Leave `test` out: one half of `val` then reports; or name other images.'
            : 'Name images of training, or cut the two apart with `train.rows` and `val.rows`: no image that reports may be seen before.',
        details: { shared, sets: [one.name, other.name] },
      });
    }
  }
}
