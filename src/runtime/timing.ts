/** How long a network took for each batch: one after the other, with the number of their images. */
export interface BatchTimes {
  readonly rows: readonly number[];
  /** Milliseconds inside onnxruntime. */
  readonly ms: readonly number[];
}

/** A number with its 95 % interval; without bounds where there were too few batches to tell. */
export interface Measurement {
  readonly value: number;
  readonly lo: number | undefined;
  readonly hi: number | undefined;
}

export interface Timing {
  readonly images: number;
  /** Images per second inside onnxruntime. */
  readonly imagesPerSecond: number;
  /** Its 95 % interval; absent of a single block of batches. */
  readonly imagesPerSecondLo?: number | undefined;
  readonly imagesPerSecondHi?: number | undefined;
  /** Median, 95th and 99th percentile (nearest rank) of the time of a full batch, in milliseconds. */
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** Images in a full batch. */
  readonly batch: number;
}

/** Blocks that intervals are made from: neighbouring batches meet the same load of the machine, and are no independent measurements. */
const MAX_BLOCKS = 10;
/** The 97.5 % quantile of Student's law, by degrees of freedom from 1. */
const STUDENT = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262] as const;

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** What is measured: the first batch (allocation, kernel selection) is left out where there are others. */
const measured = <T>(values: readonly T[]): readonly T[] => (values.length > 1 ? values.slice(1) : values);

/** Values in at most MAX_BLOCKS runs of nearly equal length, each summed up. */
function blockSums(values: readonly number[]): number[] {
  const blocks = Math.min(MAX_BLOCKS, values.length);
  const from = (block: number): number => Math.round((block * values.length) / blocks);
  return Array.from({ length: blocks }, (_, i) => sum(values.slice(from(i), from(i + 1))));
}

/**
 * The interval of a positive value from its values in blocks, on the logarithmic scale: batch means (Law 2015, "Simulation modeling
 * and analysis", section 9.5.3) with Student's law.
 */
function aroundValue(value: number, blocks: readonly number[]): Measurement {
  const logs = blocks.map(Math.log);
  const student = STUDENT[logs.length - 2];
  const mean = sum(logs) / logs.length;
  const variance = sum(logs.map((log) => (log - mean) ** 2)) / (logs.length - 1);
  if (student === undefined || !Number.isFinite(variance)) return { value, lo: undefined, hi: undefined };
  const factor = Math.exp(student * Math.sqrt(variance / logs.length));
  return { value, lo: value / factor, hi: value * factor };
}

function speedOf({ rows, ms }: BatchTimes): Measurement {
  const [images, times] = [measured(rows), measured(ms)];
  const seconds = sum(times) / 1000;
  if (!(seconds > 0)) return { value: 0, lo: undefined, hi: undefined };
  const blocks = blockSums(times);
  return aroundValue(
    sum(images) / seconds,
    blockSums(images).map((count, i) => (1000 * count) / (blocks[i] as number)),
  );
}

/**
 * How many times as fast the second is as the first, from batches that both ran in turn: the machine's load, which both met, cancels.
 * Times that are the same (see {@link sharedTimes}) give exactly 1.
 */
export function speedRatio(first: BatchTimes, second: BatchTimes): Measurement {
  if (first === second) return { value: 1, lo: 1, hi: 1 };
  const [a, b] = [measured(first.ms), measured(second.ms)];
  const [of, to] = [blockSums(a), blockSums(b)];
  return aroundValue(
    sum(a) / sum(b),
    of.map((ms, i) => ms / (to[i] as number)),
  );
}

/** The times of networks that do the same work, as of one: the mean of each batch. One object for all of them. */
export function sharedTimes(times: readonly BatchTimes[]): BatchTimes {
  const [first] = times;
  if (!first || times.length === 1) return first ?? { rows: [], ms: [] };
  return { rows: first.rows, ms: first.ms.map((_, i) => sum(times.map(({ ms }) => ms[i] as number)) / times.length) };
}

/**
 * Summarises batch times. The first batch (allocation, kernel selection) is left out when there are others; short
 * batches count for throughput, not for latency.
 * @param all of networks that do the same work: throughput is of their {@link sharedTimes}, latency of all single batches
 */
export function summarizeTiming(...all: readonly [BatchTimes, ...BatchTimes[]]): Timing {
  const [{ rows }] = all;
  const first = rows.length > 1 ? 1 : 0;
  const batch = rows.reduce((most, count) => Math.max(most, count), 0);
  const full = all.flatMap(({ ms }) => ms.filter((_, i) => i >= first && rows[i] === batch));
  const times = (full.length > 0 ? full : all.flatMap(({ ms }) => ms.slice(first))).toSorted((a, b) => a - b);
  const rank = (q: number): number => times[Math.max(0, Math.ceil(q * times.length) - 1)] ?? 0;
  const speed = speedOf(sharedTimes(all));
  return {
    images: sum(rows),
    imagesPerSecond: speed.value,
    imagesPerSecondLo: speed.lo,
    imagesPerSecondHi: speed.hi,
    p50Ms: rank(0.5),
    p95Ms: rank(0.95),
    p99Ms: rank(0.99),
    batch,
  };
}
