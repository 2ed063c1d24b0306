import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { idxBytes } from './dataset-files.ts';
import { seeded } from './random.ts';
import { floats, makeModel } from './small-models.ts';

/** Made-up grey pictures with labels, as IDX; their contrast rises, so that no two batches are alike. */
export function writeImages(folder: string, count: number, side = 8): { source: string; labels: string } {
  const draw = seeded(11);
  const pixels = Uint8Array.from({ length: count * side * side }, (_, i) => {
    const contrast = 20 + (235 * Math.floor(i / (side * side))) / count;
    return Math.floor(contrast * draw());
  });
  const [source, labels] = [join(folder, 'images-idx3-ubyte'), join(folder, 'labels-idx1-ubyte')];
  writeFileSync(source, idxBytes([count, side, side], pixels));
  writeFileSync(
    labels,
    idxBytes(
      [count],
      Uint8Array.from({ length: count }, (_, i) => i % 10),
    ),
  );
  return { source, labels };
}

/** A linear classifier of the mean of grey images of any size in a grid of 4 x 4 pixels: it sees every shift and stretch. */
export function anySizeTeacher(classes = 10, end: 'Softmax' | 'Identity' = 'Identity'): Uint8Array {
  const features = 6;
  return makeModel({
    inputs: [['x', 'FLOAT', ['N', 1, 'H', 'W']]],
    outputs: [['y', 'FLOAT', ['N', classes]]],
    nodes: [
      ['Conv', ['x', 'kernels'], ['maps']],
      ['Relu', ['maps'], ['positive']],
      ['GlobalAveragePool', ['positive'], ['means']],
      ['Flatten', ['means'], ['flat'], { axis: 1 }],
      ...(end === 'Identity'
        ? [['MatMul', ['flat', 'w'], ['y']] as [string, string[], string[]]]
        : ([
            ['MatMul', ['flat', 'w'], ['z']],
            [end, ['z'], ['y']],
          ] as [string, string[], string[]][])),
    ],
    initializers: [
      floats(
        'kernels',
        [features, 1, 3, 3],
        Array.from({ length: 9 * features }, (_, i) => Math.sin(5 * i + 2)),
      ),
      floats(
        'w',
        [features, classes],
        Array.from({ length: features * classes }, (_, i) => 4 * Math.cos(3 * i)),
      ),
    ],
  });
}
