import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CHANNELS, type Transform } from '../../src/data/index.ts';
import { seeded } from './random.ts';
import { floats, makeModel } from './small-models.ts';

const CLASSES = 3;

/** A network of three classes whose scores depend on where every value of its input lies. @param biases what it says of zeros */
export function writeSnippetModel(
  folder: string,
  { crop, color, dtype, layout }: Pick<Transform, 'crop' | 'color' | 'dtype' | 'layout'>,
  biases: readonly number[] = [0, 0, 0],
  half = false,
): string {
  const uniform = seeded(7);
  const channels = CHANNELS[color];
  const pixels = channels * crop.height * crop.width;
  const scale = (dtype === 'uint8' ? 1 / 128 : 1) / Math.sqrt(pixels);
  const weights = Array.from({ length: pixels * CLASSES }, () => scale * (2 * uniform() - 1));
  const sides = layout === 'NCHW' ? [channels, crop.height, crop.width] : [crop.height, crop.width, channels];
  const type = ({ float32: 'FLOAT', float16: 'FLOAT16', uint8: 'UINT8' } as const)[dtype];
  const bytes = makeModel({
    inputs: [['the "image"', type, ['N', ...sides]]],
    outputs: [['y', half ? 'FLOAT16' : 'FLOAT', ['N', CLASSES]]],
    nodes: [
      ['Cast', ['the "image"'], ['x'], { to: 1 }],
      ['Flatten', ['x'], ['flat']],
      ['MatMul', ['flat', 'w'], ['product']],
      ['Add', ['product', 'b'], ['sum']],
      ['Cast', ['sum'], ['y'], { to: half ? 10 : 1 }],
    ],
    initializers: [floats('w', [pixels, CLASSES], weights), floats('b', [CLASSES], [...biases])],
  });
  const path = join(folder, 'model.onnx');
  writeFileSync(path, bytes);
  return path;
}
