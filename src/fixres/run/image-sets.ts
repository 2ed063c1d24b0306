import { TemperError } from '../../core/index.ts';
import { assertImages, type ChosenData, type DataOptions, openData, splitRows } from '../../data/index.ts';
import { openStore, rowsOfStore, rowsToScore, type Store } from '../../distill/index.ts';
import type { Model } from '../../onnx/index.ts';
import { assertLabels, declaredClasses } from '../../signature/index.ts';
import type { Cut } from '../cut/cut.ts';
import type { FixResOptions } from '../options.ts';

/** A data set that the model is measured on before and after, at each size. */
export interface MeasuredSet {
  readonly name: 'val' | 'shifted';
  readonly data: ChosenData;
}

/** The store that images are seen through, and where its samples lie in the data set. */
export interface StoreImages {
  readonly store: Store;
  readonly ofStore: Uint32Array;
}

/** All images of a run, and what each set is for. */
export interface ImageSets {
  /** Tuned on. */
  readonly train: ChosenData;
  /** What teachers said of `train`; absent where labels are trained on. */
  readonly targets: StoreImages | undefined;
  /** The half of `val` that early stopping looks at. */
  readonly stop: ChosenData | undefined;
  /** What is left of `val`, whose verdict counts, and the shifted set. */
  readonly measured: readonly MeasuredSet[];
  close(): Promise<void>;
}

/** A classifier is trained on several classes. @throws TemperError INPUT_TOO_FEW */
function assertClasses({ dataset, rows }: ChosenData): void {
  const labels = new Set(Array.from(rows, (row) => dataset.sample(row).label));
  if (labels.size > 1) return;
  throw new TemperError(
    'INPUT_TOO_FEW',
    `${dataset.source}: all ${rows.length} images are of class ${[...labels][0]}`,
    {
      hint: 'A classifier is trained on several classes: choose other rows.',
      details: { path: dataset.source },
    },
  );
}

/** The images of `train` that a store has targets of. @throws TemperError MISMATCH_VALUE for another data set; FORMAT_*, INPUT_* */
async function openTargets(
  folder: string,
  { dataset, rows }: ChosenData,
  { rows: range, limit }: DataOptions,
): Promise<{ readonly targets: StoreImages; readonly train: ChosenData }> {
  const store = openStore(folder);
  const ofStore = await rowsOfStore(store, dataset);
  const wanted = range === undefined && limit === undefined ? undefined : rows;
  return { targets: { store, ofStore }, train: { dataset, rows: rowsToScore(store, dataset, ofStore, wanted) } };
}

/**
 * Opens every data set of a run; all or none. An epoch that is chosen on some images is judged on others: with `patience`,
 * `val` is halved.
 * @throws TemperError USAGE, INPUT_*, FORMAT_*, MISMATCH_VALUE
 */
export async function openImageSets(
  options: Pick<FixResOptions, 'train' | 'val' | 'shifted' | 'targets' | 'patience' | 'seed' | 'output'>,
  { file, cut: { mode, tail } }: { readonly file: Model; readonly cut: Cut },
): Promise<ImageSets> {
  const { targets: folder, patience, seed = 0 } = options;
  const { classes } = tail;
  const opened: ChosenData[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(opened.map(({ dataset }) => dataset.close()));
  };
  const open = async (as: 'train' | 'val' | 'shifted', data: DataOptions, labelled: boolean): Promise<ChosenData> => {
    const chosen = await openData({ ...data, seed: data.seed ?? seed }, { labelled, as });
    opened.push(chosen);
    assertImages(chosen);
    return chosen;
  };
  try {
    const labelled = mode !== 'stats' && folder === undefined;
    const train = await open('train', options.train, labelled);
    const val = await open('val', options.val, true);
    const shifted = options.shifted && (await open('shifted', options.shifted, true));
    for (const { dataset } of opened)
      assertLabels(dataset, { ...declaredClasses(file, options.output), count: classes });
    if (labelled) assertClasses(train);
    const seen = folder === undefined ? { train, targets: undefined } : await openTargets(folder, train, options.train);
    const halves = patience === undefined ? undefined : splitRows(val.dataset, val.rows, seed);
    const { dataset } = val;
    return {
      ...seen,
      stop: halves && { dataset, rows: halves.selection },
      measured: [
        { name: 'val', data: halves ? { dataset, rows: halves.report } : val },
        ...(shifted ? [{ name: 'shifted', data: shifted } as const] : []),
      ],
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
