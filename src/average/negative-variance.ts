import { decodeFloat64, type FloatType, TemperError } from '../core/index.ts';
import type { SummedTensor } from './averaged-tensor.ts';

type Blocks = readonly [blocks: readonly Uint8Array[], type: FloatType];

/**
 * Refuses averages of BatchNormalization variances below 0 where every snapshot's variance is 0 or more: weights below 0 may
 * put an average outside the range of its terms, and the network would give NaN.
 * @param rows names of the outputs; undefined for those whose values do not come from the average
 * @throws TemperError NUMERIC_NEGATIVE_VARIANCE with tensor and channel
 */
export function assertVariances(
  { name }: SummedTensor,
  [inputs, from]: Blocks,
  [outputs, to]: Blocks,
  rows: readonly (string | undefined)[],
  { start, length }: { readonly start: number; readonly length: number },
): void {
  const values = new Float64Array(length);
  for (const [row, average] of rows.entries()) {
    if (average === undefined) continue;
    decodeFloat64(to, outputs[row] as Uint8Array, length, values);
    const channel = values.findIndex((value) => value < 0);
    if (channel < 0) continue;
    const found = values[channel] as number;
    const isNegative = (input: Uint8Array): boolean => {
      decodeFloat64(from, input, length, values);
      return (values[channel] as number) < 0;
    };
    if (inputs.some(isNegative)) continue;
    throw new TemperError(
      'NUMERIC_NEGATIVE_VARIANCE',
      `tensor ${JSON.stringify(name)}, channel ${start + channel}: the variance of the average ${average} is ${found}, though every snapshot's is 0 or more`,
      {
        hint: 'Use weights of 0 or more; or take the statistics of the last snapshot (`bn` last), and measure them with bn-recal.',
        details: { tensor: name, channel: start + channel, found },
      },
    );
  }
}
