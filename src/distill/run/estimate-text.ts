import { formText, type StoreRun } from '../store/index.ts';
import type { TargetsEstimate } from './estimate.ts';

/** A size for people. */
export function bytesText(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB'];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  return power === 0 ? `${bytes} bytes` : `${(bytes / 1000 ** power).toPrecision(3)} ${units[power]}`;
}

/** A time for people. */
function durationText(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  return seconds < 48 * 3600 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86_400).toFixed(1)} days`;
}

type Size = Pick<StoreRun, 'n_rows' | 'n_samples' | 'views' | 'n_parts' | 'kind' | 'top_k' | 'store_dtype'>;

/** What is known before the first part is made, for people. */
export function estimateText(run: Size, { bytes, bytesPerRow, parts, seconds }: TargetsEstimate): string {
  const views = run.views > 1 ? ` (${run.n_samples} images in ${run.views} views)` : '';
  const time = seconds === undefined ? '' : `, about ${durationText(seconds)}`;
  const mine = parts < run.n_parts ? `; ${parts} parts are to be made here` : '';
  return (
    `${run.n_rows} rows${views} of ${bytesPerRow} bytes, ${formText(run)}, in ${run.n_parts} parts: ` +
    `${bytesText(bytes)}${mine}${time}`
  );
}
