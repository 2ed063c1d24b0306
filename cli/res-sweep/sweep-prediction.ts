import { TemperError } from '../../src/core/index.ts';
import type { Size } from '../../src/data/index.ts';
import { type ApparentSize, apparentSize, squareImageRatio } from '../../src/resolution/index.ts';
import type { SweepModel } from './sweep-models.ts';
import type { Cell } from './sweep-plan.ts';

/** What the apparent-size argument says of a model, before anything is measured. */
export interface Prediction {
  readonly model: SweepModel;
  readonly apparent: ApparentSize;
  /** Test size over train size at which objects look as in training: by the test images, and for square ones. */
  readonly ratio: number;
  readonly squareRatio: number;
}

/** Predictions for training with random resized crops of this area; undefined without. @throws TemperError USAGE */
export function predictedRatios(
  models: readonly SweepModel[],
  sources: readonly Size[],
  cells: readonly Cell[],
  scale: readonly number[] | undefined,
  seed: number,
): Prediction[] | undefined {
  const [low, high, ...rest] = scale ?? [];
  if (scale === undefined) return undefined;
  if (low === undefined || high === undefined || rest.length > 0 || !(low > 0 && low <= high && high <= 1)) {
    throw new TemperError('USAGE', `--scale ${scale.join(',')}: expected 0 < a <= b <= 1`);
  }
  return models.map((model, m) => {
    const apparent = apparentSize(sources, { size: model.trainSize, scale: [low, high] }, seed);
    const baseline = cells.find((cell) => cell.model === m && cell.baseline);
    if (!baseline) throw new Error('every model has a row at its train size');
    const { crop, resize } = baseline.transform;
    return {
      model,
      apparent,
      // Apparent size grows with the resize target, which is proportional to the test size.
      ratio: 1 / apparent(baseline.transform),
      squareRatio: squareImageRatio([low, high], crop.height / resize.height),
    };
  });
}

export const predictionDocument = ({ model, ratio, squareRatio }: Prediction) => ({
  model: model.name,
  ratio,
  test_size: Math.round(ratio * model.trainSize),
  ratio_square_images: squareRatio,
});

export function predictionText(predictions: readonly Prediction[] | undefined): string {
  return (predictions ?? [])
    .map(
      ({ model, ratio, squareRatio }) =>
        `${model.name}: objects look as large as in training at ${ratio.toFixed(2)} times the train size, ${Math.round(ratio * model.trainSize)} px (square images: ${squareRatio.toFixed(2)})\n`,
    )
    .join('');
}
