import { type ScaleContinuousNumeric, scaleLinear, scaleLog } from 'd3-scale';
import type { Axis } from '../chart.ts';

export interface Tick {
  readonly at: number;
  readonly label: string;
  /** The value over that of `Axis.over`. */
  readonly ratio?: string;
}

/** An axis on the picture. */
export interface PlacedAxis {
  /** Where a value lies, in px; NaN where the scale has no place for it (zero on a logarithmic axis). */
  readonly at: (value: number) => number;
  readonly ticks: readonly Tick[];
}

type Scale = ScaleContinuousNumeric<number, number>;

/** From the numbers of the data to those that the scale is of, and from there to those that ticks say. */
interface Drawn {
  readonly drawn: (value: number) => number;
  readonly said: (drawn: number) => number;
}

function drawnAs({ scale, percent }: Axis): Drawn {
  if (scale === 'decay') return { drawn: (value) => 1 - value, said: (drawn) => 1 - drawn };
  if (percent) return { drawn: (value) => 100 * value, said: (drawn) => drawn };
  return { drawn: (value) => value, said: (drawn) => drawn };
}

/** Share of a logarithmic axis, at either end, by which it exceeds the data. */
const LOG_MARGIN = 0.04;
/** Digits that tell ticks apart, without those of 1 - 0.9. */
const TICK_DIGITS = 6;
const RATIO_DIGITS = 2;

/** Larger magnitudes, and differences between neighbours that are as small, are no measurements that a picture can show. */
const LARGEST = 1e15;
const SMALLEST = 1e-15;
const canBeDrawn = (value: number): boolean => Math.abs(value) <= LARGEST;

function extent(values: readonly number[]): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (!canBeDrawn(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? [low, high] : [1, 1];
}

/** A single value is no domain: as much again to either side. */
function linearDomain(values: readonly number[]): [number, number] {
  const [low, high] = extent(values);
  const most = Math.max(Math.abs(low), Math.abs(high));
  if (high - low > SMALLEST * Math.max(1, most)) return [low, high];
  const margin = most < SMALLEST ? 1 : most / 10;
  return [low - margin, high + margin];
}

function logDomain(values: readonly number[]): [number, number] {
  const [low, high] = extent(values);
  const margin = high / low > 1 + SMALLEST ? (high / low) ** LOG_MARGIN : 2;
  return [low / margin, high * margin];
}

/** Ticks of a logarithmic scale at 1, 2, 5 of each power of ten, or at the powers alone, if all are too many. */
function thinned(ticks: readonly number[], count: number): readonly number[] {
  if (ticks.length <= count) return ticks;
  const leading = (tick: number): string => tick.toExponential(0).charAt(0);
  const some = ticks.filter((tick) => ['1', '2', '5'].includes(leading(tick)));
  if (some.length <= count) return some.length > 1 ? some : ticks;
  return some.filter((tick) => leading(tick) === '1');
}

/**
 * Places values on a range of px. A linear domain is that of the data; a logarithmic one exceeds it a little.
 * @param count about how many ticks are wanted
 * @param nice rounds a linear domain outwards to whole ticks
 */
export function placeAxis(
  axis: Axis,
  values: readonly number[],
  range: readonly [number, number],
  { count, nice = false }: { readonly count: number; readonly nice?: boolean },
): PlacedAxis {
  const { drawn, said } = drawnAs(axis);
  const logarithmic = axis.scale === 'log' || axis.scale === 'decay';
  const ends = axis.scale === 'decay' ? [range[1], range[0]] : range;
  const shown = values.map(drawn);
  const positive = shown.filter((value) => value >= SMALLEST);
  const linear = scaleLinear().domain(linearDomain(shown));
  const scale: Scale = (
    logarithmic ? scaleLog().domain(logDomain(positive)) : nice ? linear.nice(count) : linear
  ).range(ends);
  const [low, high] = extent(scale.domain());
  const own = logarithmic ? thinned(scale.ticks(count), count) : scale.ticks(count);
  const ticks = (axis.ticks?.map(drawn) ?? own).filter((tick) => tick >= low && tick <= high);
  const ofScale = logarithmic || axis.ticks ? undefined : scale.tickFormat(count, 'f');
  const format = (tick: number): string => {
    const text = ofScale?.(tick) ?? String(Number(said(tick).toPrecision(TICK_DIGITS)));
    return axis.signed && tick > 0 ? `+${text}` : text;
  };
  return {
    at: (value) => {
      const shownAs = drawn(value);
      const placeable = canBeDrawn(shownAs) && (!logarithmic || shownAs >= SMALLEST);
      return placeable ? scale(shownAs) : Number.NaN;
    },
    ticks: ticks.map((tick) => ({
      at: scale(tick),
      label: format(tick),
      ...(axis.over ? { ratio: (tick / drawn(axis.over.value)).toFixed(RATIO_DIGITS) } : {}),
    })),
  };
}
