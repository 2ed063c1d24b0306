import { TemperError } from '../../core/index.ts';
import type { Size } from '../../data/index.ts';
import { type AtSizes, type DeclaredInputs, modelInput } from '../../signature/index.ts';
import type { FixResOptions } from '../options.ts';

const sizeOf = (size: number | Size): Size => (typeof size === 'number' ? { height: size, width: size } : size);

/**
 * The sizes that a run is asked for.
 * @throws TemperError USAGE where nobody says what the network was trained at: a guess would tune it for a change that it
 * does not see
 */
export function askedSizes(
  file: DeclaredInputs,
  { size, trainSize, input }: Pick<FixResOptions, 'size' | 'trainSize' | 'input'>,
): AtSizes<Size> {
  const train = trainSize ?? modelInput(file, input).fixed;
  if (train === undefined) {
    throw new TemperError('USAGE', '`trainSize` is missing', {
      hint: `Give \`trainSize\`, the size that the network was trained at: ${file.label} takes any.`,
    });
  }
  return { train: sizeOf(train), test: sizeOf(size) };
}
