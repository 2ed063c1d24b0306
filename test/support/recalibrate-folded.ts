/** Recalibration of folded layers as the command does it, in memory. */
import {
  chooseLayers,
  outputMoments,
  recalibrateByBatch,
  recalibrated,
  type Statistics,
  unfold,
} from '../../src/batchnorm/index.ts';
import { editedModel, type Model, openModel } from '../../src/onnx/index.ts';
import type { Tensor } from '../../src/runtime/index.ts';
import { batchesOf } from './batchnorm.ts';
import { type TestModel, writeModel } from './model-builder.ts';
import { tempFolder } from './temp-folder.ts';

const root = tempFolder();
let files = 0;

export function openTest(model: TestModel): Model {
  return openModel(writeModel(`${root}/${files++}.onnx`, model));
}

const collecting = (images: Tensor, batch: number) => ({
  device: 'cpu' as const,
  threads: 1,
  async *batches() {
    yield* batchesOf(images, batch);
  },
});

export interface FoldedRun {
  /** The model with corrected weights. */
  readonly model: Model;
  readonly names: readonly string[];
  /** What the layers gave on the reference, and give now on the target. */
  readonly goals: readonly Statistics[];
  readonly after: readonly Statistics[];
  readonly constantChannels: number;
}

/** Recalibrates the folded layers of a model from reference images to others, as one batch each, so that it is exact. */
export async function recalibrateFolded(
  model: Model,
  reference: Tensor,
  target: Tensor,
  names: readonly string[] = [],
): Promise<FoldedRun> {
  const chosen = chooseLayers(model, names);
  const whole = (images: Tensor) => collecting(images, images.dims[0] as number);
  const { goals } = await outputMoments(model, chosen.folded, whole(reference));
  const unfolded = unfold(model, chosen, goals);
  const { measured } = await recalibrateByBatch(unfolded.model, unfolded.layers, 'population', whole(target));
  const { edits, reports } = recalibrated(model, measured, 0, 0);
  const changed = editedModel(model, edits);
  const { goals: after } = await outputMoments(changed, chooseLayers(changed, names).folded, whole(target));
  const constantChannels = reports.reduce((sum, { zero_variance_channels: count }) => sum + count, 0);
  return { model: changed, names: chosen.folded.map(({ name }) => name), goals, after, constantChannels };
}

/** How far moments are from the goals, over all layers and channels: in deviations, and as part of the deviation. */
export function worstOff({ goals, after }: Pick<FoldedRun, 'goals' | 'after'>): number {
  let worst = 0;
  for (const [k, goal] of goals.entries()) {
    const now = after[k] as Statistics;
    for (const [c, variance] of goal.variance.entries()) {
      const deviation = Math.sqrt(variance);
      const shift = Math.abs((now.mean[c] as number) - (goal.mean[c] as number)) / deviation;
      worst = Math.max(worst, shift, Math.abs(Math.sqrt(now.variance[c] as number) / deviation - 1));
    }
  }
  return worst;
}
