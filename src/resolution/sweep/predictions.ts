import { TemperError } from '../../core/index.ts';
import type { Size } from '../../data/index.ts';
import { type ApparentSize, apparentSize, squareImageRatio } from '../apparent-size.ts';
import { type PixelSize, sideOf } from '../sizes.ts';
import type { Cell } from './plan.ts';
import type { RowModel } from './rows.ts';

/** What the apparent-size argument says of a model, before anything is measured. */
export interface SizePrediction {
  readonly model: string;
  readonly trainSize: PixelSize;
  /** Test size over train size at which objects look as in training: by the test images, and for square ones. */
  readonly ratio: number;
  readonly squareRatio: number;
}

export interface PredictedSizes {
  readonly predictions: readonly SizePrediction[];
  /** By model name. */
  readonly apparent: ReadonlyMap<string, ApparentSize>;
}

/** @throws TemperError USAGE unless it is a range of shares of an area */
export function assertScale([low, high]: readonly [number, number]): void {
  if (low > 0 && low <= high && high <= 1) return;
  throw new TemperError('USAGE', `\`scale\` ${low},${high}: expected 0 < a <= b <= 1`);
}

/**
 * Predictions for training with random resized crops of this area.
 * @param sources sizes of the test images
 */
export function predictSizes(
  models: readonly Pick<RowModel, 'name' | 'trainSize'>[],
  cells: readonly Cell[],
  sources: readonly Size[],
  scale: readonly [number, number],
  seed: number,
): PredictedSizes {
  const apparent = new Map<string, ApparentSize>();
  const predictions = models.map(({ name, trainSize }, m): SizePrediction => {
    const expected = apparentSize(sources, { size: sideOf(trainSize), scale }, seed);
    const baseline = cells.find((cell) => cell.model === m && cell.baseline);
    if (!baseline) throw new Error('every model has a row at its train size');
    const { crop, resize } = baseline.transform;
    apparent.set(name, expected);
    return {
      model: name,
      trainSize,
      // Apparent size grows with the resize target, which is proportional to the test size.
      ratio: 1 / expected(baseline.transform),
      squareRatio: squareImageRatio(scale, crop.height / resize.height),
    };
  });
  return { predictions, apparent };
}
