import { random } from '../core/index.ts';
import { drawView, planGeometry, type Size, type Transform } from '../data/index.ts';

/** Images and views that the expectation is taken over: within 1 % of that over all. */
const MAX_IMAGES = 1000;
const VIEWS = 32;

/** Training with a random resized crop: the size it is resized to, and the range of its share of the area. */
export interface TrainingCrop {
  readonly size: number;
  readonly scale: readonly [number, number];
}

/** Expected apparent size of objects at test, over that in training; by transform. */
export type ApparentSize = (transform: Transform) => number;

/**
 * The apparent-size argument of FixRes (Touvron, Vedaldi, Douze, Jégou: "Fixing the train-test resolution discrepancy",
 * NeurIPS 2019, §3.1): a random resized crop enlarges objects by size / sqrt(area of the crop), the test transform by the
 * resize alone, so that networks meet objects smaller at test than in training. Where the ratio of the two is 1 they meet
 * them alike: that test size is predicted to be best. Crops are drawn as torchvision draws them, from the pictures' own sizes.
 * @param sources sizes of the test images
 */
export function apparentSize(sources: readonly Size[], { size, scale }: TrainingCrop, seed: number): ApparentSize {
  const step = Math.max(1, Math.ceil(sources.length / MAX_IMAGES));
  const images = sources
    .filter((_, i) => i % step === 0)
    .map((source, i) => {
      const stream = random(seed, 'apparent-size', i);
      let reach = 0;
      for (let view = 0; view < VIEWS; view++) {
        const { crop } = drawView({ randomResizedCrop: { scale } }, source, () => stream.float());
        reach += Math.sqrt((crop?.width ?? source.width) * (crop?.height ?? source.height)) / VIEWS;
      }
      return { source, reach };
    });
  return (transform) => {
    const ratios = images.map(({ source, reach }) => {
      const { part, resized } = planGeometry(source, transform);
      return (Math.sqrt((resized.width / part.width) * (resized.height / part.height)) * reach) / size;
    });
    return ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
  };
}

/**
 * The test size over the train size at which apparent sizes agree, for square images: crop ratio / E[σ], σ² uniform in the
 * range (FixRes §3.1: E[σ] is about 0.70 for 0.08 to 1, so that 256/224 gives 1.24).
 */
export function squareImageRatio([low, high]: readonly [number, number], cropRatio: number): number {
  const mean = low === high ? Math.sqrt(low) : ((2 / 3) * (high ** 1.5 - low ** 1.5)) / (high - low);
  return cropRatio / mean;
}
