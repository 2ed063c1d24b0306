import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { node, tensor, valueInfo, writeModel } from './model-builder.ts';
import { writePhotos } from './photos.ts';
import { seeded } from './random.ts';
import { EVAL_CKPT, runProgram } from './run-cli.ts';

const CLASSES = 6;
const WIDTH = 8;
const EPOCHS = 3;
const IMAGES = 12;

/** A network of colour pictures of any size with two BatchNormalizations; epochs of a seed lie near each other. */
function writeNetwork(path: string, seed: number, epoch: number): void {
  const [start, step] = [seeded(seed), seeded(100 * seed + epoch)];
  const initializers: ReturnType<typeof tensor>[] = [];
  const weight = (name: string, dims: readonly number[], base = 0): string => {
    const count = dims.reduce((all, dim) => all * dim, 1);
    const values = Array.from({ length: count }, () => base + start() - 0.5 + (step() - 0.5) / 10);
    initializers.push(tensor({ name, dims, values }));
    return name;
  };
  const block = (input: string, name: string, channels: number, stride: number): readonly ReturnType<typeof node>[] => [
    node('Conv', [input, weight(`${name}.conv`, [WIDTH, channels, 3, 3])], [`${name}.maps`], {
      kernel_shape: [3, 3],
      strides: [stride, stride],
    }),
    node(
      'BatchNormalization',
      [
        `${name}.maps`,
        weight(`${name}.weight`, [WIDTH], 1),
        weight(`${name}.bias`, [WIDTH]),
        weight(`${name}.running_mean`, [WIDTH]),
        weight(`${name}.running_var`, [WIDTH], 1.5),
      ],
      [`${name}.normal`],
    ),
    node('Relu', [`${name}.normal`], [name]),
  ];
  writeModel(path, {
    nodes: [
      ...block('image', 'stem', 3, 4),
      ...block('stem', 'body', WIDTH, 2),
      node('GlobalAveragePool', ['body'], ['pooled']),
      node('Flatten', ['pooled'], ['features'], { axis: 1 }),
      node('Gemm', ['features', weight('fc.weight', [CLASSES, WIDTH]), weight('fc.bias', [CLASSES])], ['logits'], {
        transB: 1,
      }),
    ],
    initializers,
    inputs: [valueInfo('image', ['batch', 3, 'height', 'width'])],
    outputs: [valueInfo('logits', ['batch', CLASSES])],
  });
}

/**
 * What README, docs/library.md and the examples of the library start from: `run/epoch-1.onnx` to 3, `teacher.onnx`,
 * `student.onnx`, and photos in class folders, `train/` and `val/`, and what the student says of the latter, `scores.parquet`.
 */
export async function writeLibraryLayout(folder: string): Promise<void> {
  mkdirSync(join(folder, 'run'));
  for (let epoch = 1; epoch <= EPOCHS; epoch++) writeNetwork(join(folder, 'run', `epoch-${epoch}.onnx`), 1, epoch);
  writeNetwork(join(folder, 'teacher.onnx'), 2, 1);
  writeNetwork(join(folder, 'student.onnx'), 3, 1);
  for (const set of ['train', 'val']) await writePhotos(join(folder, set), IMAGES, CLASSES);
  const kept = ['--per-image', 'scores.parquet', '--logits'];
  const { status, stderr } = runProgram(EVAL_CKPT, ['student.onnx', '--data', 'val', '--size', '64', ...kept], folder);
  if (status !== 0) throw new Error(stderr);
}
