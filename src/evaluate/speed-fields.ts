import { type FieldRow, paretoFront } from '../core/index.ts';
import { type BatchTimes, speedRatio } from '../runtime/index.ts';
import type { Evaluation } from './evaluate-models.ts';
import { imageScores, mean } from './metrics.ts';

/** What a row says of speed, but for end-to-end numbers. */
export type Timed = Pick<Evaluation, 'timing' | 'times'>;

/**
 * The speed of a model as fields of a row.
 * @param endToEnd images per second, reading and decoding included @param first what the speed is compared with; of that itself
 * nothing
 */
export function speedFields(timed: Timed | undefined, endToEnd: number | undefined, first?: BatchTimes): FieldRow {
  const { timing, times } = timed ?? {};
  const ratio = first && times ? speedRatio(first, times) : undefined;
  return {
    img_s_model: timing?.imagesPerSecond,
    img_s_model_lo: timing?.imagesPerSecondLo,
    img_s_model_hi: timing?.imagesPerSecondHi,
    img_s_end2end: endToEnd,
    ms_p50: timing?.p50Ms,
    ms_p95: timing?.p95Ms,
    ms_p99: timing?.p99Ms,
    batch: timing?.batch,
    speed_ratio: ratio?.value,
    speed_ratio_lo: ratio?.lo,
    speed_ratio_hi: ratio?.hi,
  };
}

/** Which models no other beats both in speed, beyond the interval of their ratio, and in top-1. */
export function speedFront(models: readonly Pick<Evaluation, 'timing' | 'times' | 'predictions'>[]): boolean[] {
  const points = models.map(({ timing, predictions }) => ({
    x: timing.imagesPerSecond,
    y: mean(imageScores(predictions).top1),
  }));
  const timesOf = (i: number): BatchTimes => (models[i] as (typeof models)[number]).times;
  const isFaster = (one: number, other: number): boolean => {
    const { value, lo } = speedRatio(timesOf(other), timesOf(one));
    return (lo ?? value) > 1;
  };
  return paretoFront(points, { x: 'higher', y: 'higher' }, isFaster);
}
