// Views that `teacher-logits` made, made again in Pillow from their records alone: the network's input must be the same.
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { writePhotos } from '../support/photos.ts';
import { lacksPython, runPeer } from '../support/python.ts';
import { runProgram, TEACHER_LOGITS } from '../support/run-cli.ts';
import { ints, makeModel } from '../support/small-models.ts';
import { tempFolder } from '../support/temp-folder.ts';

const skip = lacksPython('numpy', 'PIL');
const folder = tempFolder();

interface Replayed {
  readonly views: number;
  /** Largest relative difference of a mean or deviation. */
  readonly worst: number;
  /** Different combinations of crop, flip and order of enhancements. */
  readonly kinds: number;
  readonly drift: Readonly<Record<string, string | null>>;
  readonly size: readonly number[];
}

/** A network without weights: the mean of each channel is a class. Its input may have any size. */
function means(type: 'FLOAT' | 'FLOAT16' | 'UINT8', layout: 'NCHW' | 'NHWC'): string {
  const [dims, axes] =
    layout === 'NCHW'
      ? [
          ['N', 3, 'H', 'W'],
          [2, 3],
        ]
      : [
          ['N', 'H', 'W', 3],
          [1, 2],
        ];
  const path = join(folder, `means-${type}-${layout}.onnx`);
  const model = makeModel({
    inputs: [['x', type, dims as (string | number)[]]],
    outputs: [['y', 'FLOAT', ['N', 3]]],
    nodes: [
      ['Cast', ['x'], ['f'], { to: 1 }],
      ['ReduceMean', ['f', 'axes'], ['y'], { keepdims: 0 }],
    ],
    initializers: [ints('axes', axes as number[])],
    opset: 18,
  });
  writeFileSync(path, model);
  return path;
}

function makeTargets(out: string, teachers: readonly string[], ...options: readonly string[]): string {
  const store = join(folder, out);
  const args = [...teachers, '--out', store, '--device', 'cpu', '--workers', '1', '--quiet', ...options];
  const { status, stderr } = runProgram(TEACHER_LOGITS, args);
  assert.equal(status, 0, stderr);
  return store;
}

/** Real pictures of every kind that decodes as Pillow decodes it. */
function pictures(name: string): string {
  const images = join(folder, name);
  mkdirSync(images);
  const kinds = readdirSync('fixtures/images').filter((name) =>
    /^(jpeg|png|gif|webp)-?.*\.(jpe?g|png|gif|webp)$/.test(name),
  );
  // Otherwise than Pillow, and said so in fixtures/images/manifest.json: 16-bit grey, transparency in GIF.
  for (const name of kinds.filter((one) => !/16bit-grey|gif-transparent|gif-animated|webp-animated|1x1/.test(one)))
    copyFileSync(join('fixtures/images', name), join(images, name));
  return images;
}

test('240 augmented views of colour pictures, for two teachers of different sizes and means, within 1e-6', {
  skip,
}, async (context) => {
  const images = pictures('with-photos');
  await writePhotos(images, 12, 1);
  const store = makeTargets(
    'colour',
    [means('FLOAT', 'NCHW'), means('FLOAT', 'NHWC')],
    ...[
      '--data',
      images,
      '--format',
      'flat',
      '--augment',
      'rrc,flip,jitter',
      '--views',
      '6',
      '--size',
      '64',
      '--size',
      '48x40',
    ],
    ...['--interpolation', 'bilinear', '--interpolation', 'bicubic', '--mean', '0.485,0.456,0.406', '--mean', '0.5'],
  );
  const { views, worst, kinds, drift, size } = runPeer<Replayed>('replay_targets.py', store, images);
  context.diagnostic(`${views} views, largest relative difference ${worst}`);
  assert.ok(views >= 200, `${views} views`);
  assert.ok(worst < 1e-6, `largest difference ${worst}`);
  // Flipped and not, and the six orders of three enhancements.
  assert.equal(kinds, 12);
  assert.deepEqual(size, [23, 17]);
  for (const [what, message] of Object.entries(drift))
    assert.match(message ?? `${what} was not seen`, /the teacher's input had|pixels, was/);
});

test('200 augmented views of grey IDX images within 1e-6', { skip }, () => {
  const images = join(FASHION, 'test-images-idx3-ubyte.gz');
  const store = makeTargets(
    'grey',
    [SNAPSHOTS[0] as string],
    ...['--data', images, '--rows', '100:150', '--preset', 'none', '--size', '20', '--mean', '0.286', '--std', '0.353'],
    ...['--augment', 'rrc,flip,jitter', '--views', '4', '--top-k', '3'],
  );
  const { views, worst } = runPeer<Replayed>('replay_targets.py', store, images);
  assert.equal(views, 200);
  assert.ok(worst < 1e-6, `largest difference ${worst}`);
});

test('the evaluation geometry of every resize rule, padding included; input types and layouts', { skip }, () => {
  const images = pictures('kinds');
  const cases: [model: string, ...options: string[]][] = [
    [means('FLOAT', 'NCHW'), '--preset', 'torchvision', '--size', '40'],
    [means('FLOAT16', 'NCHW'), '--preset', 'timm', '--size', '50', '--color', 'bgr'],
    [means('FLOAT', 'NCHW'), '--preset', 'timm', '--resize-rule', 'border', '--size', '45x60', '--crop-ratio', '1'],
    [means('UINT8', 'NHWC'), '--preset', 'torchvision', '--resize-rule', 'long', '--size', '64', '--resize', '50'],
    [
      means('FLOAT', 'NHWC'),
      '--preset',
      'fixres',
      '--size',
      '40x56',
      '--augment',
      'flip',
      '--views',
      '2',
      '--color',
      'bgr',
    ],
    [means('FLOAT', 'NCHW'), '--preset', 'none', '--size', '33', '--interpolation', 'nearest', '--orientation', 'exif'],
    [
      means('FLOAT', 'NCHW'),
      '--preset',
      'timm',
      '--resize-rule',
      'short',
      '--size',
      '30x44',
      '--interpolation',
      'lanczos',
    ],
  ];
  for (const [i, [model, ...options]] of cases.entries()) {
    const store = makeTargets(`rule-${i}`, [model], '--data', images, '--format', 'flat', ...options);
    const { worst, views } = runPeer<Replayed>('replay_targets.py', store, images);
    assert.ok(views > 20 && worst < 1e-6, `${options.join(' ')}: ${worst}`);
  }
});
