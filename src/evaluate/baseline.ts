import { TemperError } from '../core/index.ts';
import { joinPredictions } from './per-image/join-predictions.ts';
import type { Measured } from './scores.ts';

/** Whether a baseline is a file of predictions, by its ending; else it is a model. */
export const isMeasuredBefore = (path: string): boolean => /\.(csv|parquet)$/i.test(path);

/**
 * A baseline that was measured before: one model's predictions of every image.
 * @param others what is compared with it: of an earlier version of the same file the name is the same
 * @throws TemperError USAGE for a file of several models; INPUT_*, FORMAT_TABLE
 */
export async function measuredBaseline(path: string, others: readonly Pick<Measured, 'model'>[]): Promise<Measured> {
  const { models, fields } = await joinPredictions([path]);
  const [only, ...more] = models;
  if (!only || more.length > 0) {
    throw new TemperError('USAGE', `\`baseline\` ${path}: has ${models.length} models, expected one`, {
      hint: 'Measure the baseline alone, and keep its predictions with `perImage`.',
      details: { path },
    });
  }
  const isNamed = others.some(({ model }) => model === only.model);
  return { ...only, model: isNamed ? `${only.model} (baseline)` : only.model, timing: {}, provenance: fields };
}
