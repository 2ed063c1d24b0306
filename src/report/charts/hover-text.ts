import type { Axis, ChartPoint } from '../chart.ts';
import { formatNumber } from '../number-format.ts';

/** "88.53 % (87.89 to 89.14)" */
export function valueText(axis: Axis, value: number, low?: number | null, high?: number | null): string {
  const unit = axis.unit ?? (axis.percent ? '%' : '');
  const shown = `${formatNumber(value, axis)}${unit === '' ? '' : ` ${unit}`}`;
  if (typeof low !== 'number' || typeof high !== 'number') return shown;
  return `${shown} (${formatNumber(low, axis)} to ${formatNumber(high, axis)})`;
}

/** What a browser shows when the pointer rests on a point: which it is, and its values. */
export function pointText(
  series: string | undefined,
  { x, y, low, high, name, label }: ChartPoint,
  axes: { readonly x: Axis; readonly y: Axis },
): string {
  const which = [series, name ?? label].filter((one) => one !== undefined && one !== '').join(', ');
  return [
    ...(which === '' ? [] : [which]),
    `${axes.x.label}: ${valueText(axes.x, x)}`,
    `${axes.y.label}: ${valueText(axes.y, y ?? Number.NaN, low, high)}`,
  ].join('\n');
}
