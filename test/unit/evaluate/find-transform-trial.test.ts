/** Ten networks that were each made with one preprocessing: findTransform is asked for it, told nothing but pictures and labels. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import sharp from 'sharp';
import { resolveTransform, transformHash } from '../../../src/data/index.ts';
import { evaluate, type FindTransformOptions, findTransform, type TransformOptions } from '../../../src/index.ts';
import { writeTree } from '../../support/dataset-files.ts';
import { DRAWN_CLASSES, drawnPicture } from '../../support/drawn-pictures.ts';
import { FASHION, SNAPSHOTS } from '../../support/fashion.ts';
import { type KnownNetwork, writeKnownNetwork } from '../../support/known-networks.ts';
import { variant } from '../../support/model-variants.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const CPU = { device: 'cpu', threads: 1, workers: 1 } as const;
const IMAGES = 500;
const root = tempFolder();
const drawn = join(root, 'drawn');

before(async () => {
  const files: [string, Uint8Array][] = [];
  for (let i = 0; i < IMAGES; i++) {
    const { data, width, height } = drawnPicture(i);
    const png = await sharp(data, { raw: { width, height, channels: 3 } })
      .png({ compressionLevel: 1 })
      .toBuffer();
    files.push([`class-${i % DRAWN_CLASSES}/${String(i).padStart(4, '0')}.png`, png]);
  }
  writeTree(drawn, Object.fromEntries(files));
});

const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
const CLIP = { mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711] };
const HALF = { mean: [0.5], std: [0.5] };
const BYTES = { mean: [0], std: [1 / 255] };
const SIZE = 40;

/** Options of the truth; what is told is the file alone, with torchvision's margin and values. */
const DRAWN: Readonly<Record<string, { truth: TransformOptions; more?: Partial<KnownNetwork> }>> = {
  "ImageNet's values, torchvision's margin": { truth: { size: SIZE } },
  'blue first, 0 to 255': { truth: { size: SIZE, ...BYTES, color: 'bgr' } },
  '-1 to 1, squashed': { truth: { size: SIZE, ...HALF, resizeRule: 'squash', resize: SIZE } },
  'mean and deviation inside the graph': {
    truth: { size: SIZE, cropRatio: 0.95, mean: [0], std: [1] },
    more: { inside: IMAGENET },
  },
  "CLIP's values, bicubic, no margin": { truth: { size: SIZE, cropRatio: 1, interpolation: 'bicubic', ...CLIP } },
  'blue first, 0 to 255 less the mean, squashed': {
    truth: { size: SIZE, mean: IMAGENET.mean, std: [1 / 255], color: 'bgr', resizeRule: 'squash', resize: SIZE },
  },
  '0 to 1, of open size': { truth: { size: SIZE, cropRatio: 0.9, mean: [0], std: [1] }, more: { open: true } },
  '8-bit pixels, blue first, channels last': {
    truth: { size: SIZE, dtype: 'uint8', layout: 'NHWC', color: 'bgr', cropRatio: 1 },
  },
};

const FASHION_DATA = {
  source: `${FASHION}/test-images-idx3-ubyte.gz`,
  labels: `${FASHION}/test-labels-idx1-ubyte.gz`,
  limit: IMAGES,
};
const FASHION_SIZE = { preset: 'none', size: 20 } as const;
const TRAINED = { ...FASHION_SIZE, mean: [0.286], std: [0.353] };

interface Asked {
  readonly model: string;
  readonly data: FindTransformOptions['data'];
  readonly truth: TransformOptions;
  readonly told: TransformOptions;
}

/** The rows of drawn pictures, each network written. */
async function drawnRows(): Promise<(readonly [string, Asked])[]> {
  const rows: (readonly [string, Asked])[] = [];
  for (const [name, { truth, more }] of Object.entries(DRAWN)) {
    const model = join(root, `${rows.length}.onnx`);
    await writeKnownNetwork(model, { transform: resolveTransform(truth), seed: 11 + rows.length, ...more });
    // As in FixRes: named is the training size, wanted an eighth more.
    rows.push([name, { model, data: { source: drawn }, truth, told: more?.open ? { size: 35 } : {} }]);
  }
  return rows;
}

/** Real networks: one that is told the values of nothing, and one that is normalised twice. */
const fashionRows = (): (readonly [string, Asked])[] => [
  [
    'a real grey network',
    { model: SNAPSHOTS.at(-1) as string, data: FASHION_DATA, truth: TRAINED, told: FASHION_SIZE },
  ],
  [
    'the same, which normalises by itself',
    { model: variant(root, 'normalises'), data: FASHION_DATA, truth: FASHION_SIZE, told: TRAINED },
  ],
];

/** Whether the truth is found: as good as the answer, or in the tie that is stated. */
async function trial(name: string, { model, data, truth, told }: Asked): Promise<{ found: boolean; line: string }> {
  const { verdict, finalists, evaluations } = await findTransform({ ...CPU, model, data, transform: told });
  // What is not shown to be worse is kept.
  const answer = verdict === 'better' ? finalists[0] : finalists.find(({ isGiven }) => isGiven);
  const hash = transformHash(resolveTransform(truth));
  const isAnswer = answer && transformHash(answer.transform) === hash;
  const tied = finalists.some((one) => one.tied && transformHash(one.transform) === hash);
  const settled = verdict !== 'none' && evaluations <= 4;
  const named = `${name}: ${verdict}`;
  if (settled && (isAnswer || tied)) return { found: true, line: `${named}${isAnswer ? '' : ', tied with the truth'}` };
  const transform = [truth, answer?.transform ?? {}];
  const { models } = await evaluate({ ...CPU, models: [model, model], data, transform });
  const [right = 1, reached = 0] = models.map(({ metrics }) => metrics.top1);
  return { found: settled && reached >= right - 0.005, line: `${named}, top-1 ${reached} of ${right}` };
}

test('at least nine of ten networks get the preprocessing that they were made with', async (t) => {
  const results: { found: boolean; line: string }[] = [];
  for (const [name, asked] of [...(await drawnRows()), ...fashionRows()]) results.push(await trial(name, asked));
  for (const { found, line } of results) t.diagnostic(`${found ? 'found' : 'MISSED'}: ${line}`);
  assert.equal(results.length, 10);
  const missed = results.filter(({ found }) => !found).map(({ line }) => line);
  assert.ok(missed.length <= 1, missed.join('\n'));
});

test('none is found for networks of random weights', async () => {
  for (const seed of [1, 2]) {
    const path = join(root, `random-${seed}.onnx`);
    const model = await writeKnownNetwork(path, { transform: resolveTransform({ size: SIZE }), seed }, true);
    const { verdict } = await findTransform({ ...CPU, model, data: { source: drawn }, transform: {} });
    assert.equal(verdict, 'none', `seed ${seed}`);
  }
});
