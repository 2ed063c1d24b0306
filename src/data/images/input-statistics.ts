import { decodeFloat16s } from '../../core/index.ts';
import type { InputData } from './apply-transform.ts';
import type { Layout } from './transform.ts';

/** Mean and population standard deviation of network inputs: what a reader checks its own inputs against. */
export interface InputStatistics {
  /** [inputs, channels]. */
  readonly mean: Float32Array;
  readonly std: Float32Array;
}

export function allocateStatistics(inputs: number, channels: number): InputStatistics {
  return { mean: new Float32Array(inputs * channels), std: new Float32Array(inputs * channels) };
}

/** Sums over one channel of differences from its first value: Σ d and Σ d² lose no digits to a large mean. */
function channelSums(
  data: InputData,
  first: number,
  step: number,
  count: number,
): [shift: number, s: number, q: number] {
  const shift = data[first] as number;
  // Four sums each: one would wait for every addition before it.
  let [s0, s1, s2, s3, q0, q1, q2, q3] = [0, 0, 0, 0, 0, 0, 0, 0];
  const whole = count - (count % 4);
  let at = first;
  for (let i = 0; i < whole; i += 4, at += 4 * step) {
    const d0 = (data[at] as number) - shift;
    const d1 = (data[at + step] as number) - shift;
    const d2 = (data[at + 2 * step] as number) - shift;
    const d3 = (data[at + 3 * step] as number) - shift;
    s0 += d0;
    s1 += d1;
    s2 += d2;
    s3 += d3;
    q0 += d0 * d0;
    q1 += d1 * d1;
    q2 += d2 * d2;
    q3 += d3 * d3;
  }
  for (let i = whole; i < count; i++, at += step) {
    const d = (data[at] as number) - shift;
    s0 += d;
    q0 += d * d;
  }
  return [shift, s0 + s1 + (s2 + s3), q0 + q1 + (q2 + q3)];
}

const decoded = (data: InputData): InputData => (data instanceof Uint16Array ? decodeFloat16s(data) : data);

/**
 * Mean and population standard deviation of each channel of one input, computed in float64, rounded to float32. uint8
 * inputs count as 0..255.
 * @param data one input, [C, H, W] or [H, W, C]; float16 as bit patterns
 * @param into where its channels are written, from `input` · channels on
 */
export function inputStatistics(
  data: InputData,
  channels: number,
  layout: Layout,
  into: InputStatistics,
  input: number,
): void {
  const values = decoded(data);
  const count = values.length / channels;
  const [first, step] = layout === 'NCHW' ? [count, 1] : [1, channels];
  for (let channel = 0; channel < channels; channel++) {
    const [shift, sum, squares] = channelSums(values, channel * first, step, count);
    const at = input * channels + channel;
    into.mean[at] = shift + sum / count;
    into.std[at] = Math.sqrt(Math.max(0, squares - (sum * sum) / count) / count);
  }
}
