import type { NumberFormat } from './number-format.ts';

/** What every chart has. */
interface ChartText {
  readonly title: string;
  /** What a reader who cannot see the picture should know: the alternative text, and the caption. */
  readonly description: string;
  /** How the picture is to be read: its lines, bands, whiskers. Left out where there is no picture. */
  readonly drawn?: string | undefined;
}

/** An axis; its label is drawn with the unit. */
export interface Axis extends NumberFormat {
  readonly label: string;
  readonly unit?: string;
  /**
   * `log` for ratios and counts that span magnitudes (values > 0); `decay` for decays in [0, 1): equal steps are equal
   * factors of 1 - decay, so that 0.9, 0.99, 0.999 lie at equal distances. Default: `linear`.
   */
  readonly scale?: 'linear' | 'log' | 'decay';
  /** Where ticks are wanted, such as the sizes that were measured; as many are drawn as fit. */
  readonly ticks?: readonly number[];
  /** A second line of tick labels below those of an x axis: the values over one of them, such as test size over train size. */
  readonly over?: { readonly value: number; readonly label: string };
  /** What is better: decides which side the Pareto front is on; default `higher`. */
  readonly better?: 'higher' | 'lower';
}

export interface ChartPoint {
  readonly x: number;
  /** null: not measured; the line is broken there. */
  readonly y: number | null;
  /** The interval of y, drawn as a band or a whisker. */
  readonly low?: number | null;
  readonly high?: number | null;
  /** What the point is, such as a layer or a file: shown on hover, and in the chart's table of numbers. */
  readonly name?: string;
  /** Drawn beside the point where there is room. */
  readonly label?: string;
}

export interface Series {
  readonly name: string;
  readonly points: readonly ChartPoint[];
  /** `predicted`: dashed, without symbols; `steps`: constant up to the next x. Default: `measured`. */
  readonly line?: 'measured' | 'predicted' | 'steps';
}

/** A value of x or y that matters: the train size, the predicted best, a ratio of 1. */
export interface Marker {
  readonly axis: 'x' | 'y';
  readonly at: number;
  readonly label: string;
}

/** Curves over x with bands: accuracy against test size, against k or decay, statistics by depth. */
export interface LineChart extends ChartText {
  readonly kind: 'lines';
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  readonly markers?: readonly Marker[];
}

export interface ScatterPoint extends ChartPoint {
  readonly y: number;
  /** The interval of x, drawn as a whisker. */
  readonly xLow?: number | undefined;
  readonly xHigh?: number | undefined;
  readonly label: string;
  /** Whether it is on the Pareto front, where noise has a say in that; default: by x and y alone. */
  readonly onFront?: boolean | undefined;
  /** Points of one group have one colour and symbol; default: all are one group. */
  readonly group?: string;
}

/** Labelled points: accuracy against throughput. */
export interface ScatterChart extends ChartText {
  readonly kind: 'scatter';
  readonly x: Axis;
  readonly y: Axis;
  readonly points: readonly ScatterPoint[];
  /** Draws the Pareto front as a step line, and fades what lies behind it. */
  readonly front?: boolean;
}

/** One bin of a reliability diagram: confidences in (low, high]. */
export interface ReliabilityBin {
  readonly low: number;
  readonly high: number;
  readonly count: number;
  /** Mean confidence and share of right answers in the bin; null where it is empty. */
  readonly confidence: number | null;
  readonly accuracy: number | null;
  /** Interval of the accuracy. */
  readonly accuracyLow?: number | null;
  readonly accuracyHigh?: number | null;
}

/** Accuracy against confidence in bins, with the counts below (Guo et al. 2017, figure 1). */
export interface ReliabilityChart extends ChartText {
  readonly kind: 'reliability';
  readonly bins: readonly ReliabilityBin[];
  readonly ece: number;
  /** What a perfectly calibrated model would be measured at. */
  readonly eceIfCalibrated?: number;
}

export interface Dot {
  readonly label: string;
  readonly value: number;
  /** The interval drawn as a whisker. */
  readonly low?: number | null;
  readonly high?: number | null;
  /** Dots of one group have one colour; the groups are named in the legend in order of appearance. */
  readonly group?: string;
}

/** Values with intervals, one a line: models or variants compared. */
export interface DotChart extends ChartText {
  readonly kind: 'dots';
  readonly axis: Axis;
  readonly dots: readonly Dot[];
  /** The group that the others are compared with: drawn in grey. */
  readonly background?: string;
  readonly markers?: readonly Marker[];
}

/** Counts of what was meant (rows) and said (columns): a confusion matrix, or the part of one that matters. */
export interface MatrixChart extends ChartText {
  readonly kind: 'matrix';
  /** Names of the classes, in the order of rows and columns. */
  readonly names: readonly string[];
  /** Cells that are not empty; shares are of the row, and decide how dark a cell is. */
  readonly cells: readonly {
    readonly row: number;
    readonly column: number;
    readonly count: number;
    readonly share: number;
  }[];
}

/** What one step adds. */
interface WaterfallStep {
  readonly label: string;
  readonly change: number;
  /** The interval of the change, drawn as a whisker around the new value. */
  readonly low?: number | null;
  readonly high?: number | null;
}

/** From a first value to a last one, a bar a step. */
export interface WaterfallChart extends ChartText {
  readonly kind: 'waterfall';
  readonly axis: Axis;
  readonly start: { readonly label: string; readonly value: number };
  readonly steps: readonly WaterfallStep[];
  /** What the last value is called. */
  readonly end: string;
}

export type Chart = LineChart | ScatterChart | ReliabilityChart | DotChart | MatrixChart | WaterfallChart;
