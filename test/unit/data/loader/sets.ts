import { join } from 'node:path';
import sharp from 'sharp';
import {
  type Dataset,
  type LoadedBatch,
  type LoaderOptions,
  loadBatches,
  openDataset,
  type Pixels,
  resolveTransform,
} from '../../../../src/data/index.ts';
import { temporaryFolder, writeTree } from '../../../support/dataset-files.ts';
import { noise } from '../../../support/noise.ts';

/** Images of different sizes and colours, in table order. */
export const PIXELS: readonly Pixels[] = Array.from({ length: 11 }, (_, i) => noise(20 + i, 31 - i, i % 3 ? 3 : 1));

const png = ({ data, width, height, channels }: Pixels): Promise<Uint8Array> =>
  sharp(data, { raw: { width, height, channels } }).png().toBuffer();

const nameOf = (i: number): string => `${i % 2 ? 'b' : 'a'}/image-${String(i).padStart(2, '0')}.png`;

/** Row r of the folder's table (class a, then class b) is PIXELS[ORDER[r]]. */
export const ORDER: readonly number[] = [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9];

/** A folder of class folders with PIXELS as PNG files; `replace` gives some of them other bytes, by number. */
export async function imageFolder(replace: Readonly<Record<number, Uint8Array>> = {}): Promise<string> {
  const files = await Promise.all(PIXELS.map(async (pixels, i) => [nameOf(i), replace[i] ?? (await png(pixels))]));
  return writeTree(temporaryFolder(), Object.fromEntries(files));
}

export const pathOf = (folder: string, i: number): string => join(folder, nameOf(i));

export const openFolder = async (replace?: Readonly<Record<number, Uint8Array>>): Promise<Dataset> =>
  openDataset(await imageFolder(replace), {});

export const SMALL = resolveTransform({ preset: 'none', size: 8 });

export const allRows = (length: number): Uint32Array => Uint32Array.from({ length }, (_, i) => i);

/** Loads all rows, in batches of four on two threads unless told otherwise. */
export async function load(dataset: Dataset, options: Partial<LoaderOptions> = {}): Promise<LoadedBatch[]> {
  const batches: LoadedBatch[] = [];
  const all = {
    rows: allRows(dataset.length),
    transforms: [SMALL],
    batch: 4,
    workers: 2,
    onBadImage: 'fail',
  } as const;
  for await (const batch of loadBatches(dataset, { ...all, ...options })) batches.push(batch);
  return batches;
}
