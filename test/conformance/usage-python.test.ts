/** The Python code of model cards, with Pillow: the scores that eval-ckpt finds for the same picture. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { resolveTransform, type TransformOptions } from '../../src/data/index.ts';
import { evaluate } from '../../src/evaluate/index.ts';
import { usageSnippets } from '../../src/finish/index.ts';
import { drawnPicture } from '../support/drawn-pictures.ts';
import { lacksPython, runPeerWith } from '../support/python.ts';
import { writeSnippetModel } from '../support/snippet-models.ts';
import { tempFolder } from '../support/temp-folder.ts';

const MODULES = ['numpy', 'PIL', 'onnxruntime'] as const;
const NORMAL = { mean: [0.4, 0.5, 0.6], std: [0.2, 0.25, 0.3] };
const SIZES = [
  [60, 44],
  [31, 57],
  [40, 40],
] as const;

/** Every rule, framing, filter, colour, type and layout once at least. */
const CASES: readonly TransformOptions[] = [
  { preset: 'torchvision', size: 32 },
  { preset: 'timm', size: 33, resize: 37, color: 'bgr', ...NORMAL },
  { preset: 'timm', size: { height: 24, width: 40 } },
  { preset: 'fixres', size: 31 },
  { preset: 'none', size: 20, color: 'grey', mean: [0.3], std: [0.4] },
  { preset: 'none', size: 21, resize: 16, resizeRule: 'squash', interpolation: 'lanczos', dtype: 'float16' },
  { preset: 'timm', size: 32, resizeRule: 'border', ...NORMAL },
  { size: 32, resizeRule: 'long', resize: 40, interpolation: 'box', dtype: 'uint8' },
  { size: 32, resizeRule: 'bounded', resize: { height: 28, width: 36 }, framing: 'corner', ...NORMAL },
  { size: 32, resizeRule: 'bounded', resize: { height: 20, width: 90 }, framing: 'transformers' },
  { size: 33, resizeRule: 'keep', framing: 'transformers', layout: 'NHWC' },
  { size: 33, resizeRule: 'keep', framing: 'tensorflow', color: 'rgba', mean: [0.5], std: [0.5] },
  { size: 30, resizeRule: 'inner', resize: 41, interpolation: 'hamming', framing: 'tensorflow' },
  { size: 30, resizeRule: 'inner', resize: 41, interpolation: 'nearest' },
  { preset: 'torchvision', size: 32, orientation: 'exif' },
];

test("the Python code of a model card gives eval-ckpt's scores to 1e-4", {
  skip: lacksPython(...MODULES),
}, async () => {
  const root = tempFolder();
  const pictures = join(root, 'pictures');
  for (const [i, [width, height]] of SIZES.entries()) {
    const { data } = drawnPicture(i, [width, height]);
    mkdirSync(join(pictures, `class-${i}`), { recursive: true });
    // Turned by 90 degrees, for those that look.
    await sharp(data, { raw: { width, height, channels: 3 } })
      .withMetadata(i === 1 ? { orientation: 6 } : {})
      .png()
      .toFile(join(pictures, `class-${i}`, 'a.png'));
  }
  const jobs: [string, string][] = [];
  const expected: number[][] = [];
  for (const [i, options] of CASES.entries()) {
    const transform = resolveTransform(options);
    const folder = join(root, `model-${i}`);
    mkdirSync(folder);
    const model = writeSnippetModel(folder, transform);
    const given = { ...options };
    for (const own of ['dtype', 'layout'] as const) delete given[own];
    const { models } = await evaluate({
      models: [model],
      data: { source: pictures },
      transform: given,
      logits: true,
      device: 'cpu',
      threads: 1,
    });
    expected.push(...Array.from(models[0]?.scores?.rows() ?? [], (row) => [...row]));
    const [python] = usageSnippets({
      ...{ input: 'the "image"', output: 'y', outputType: 'float32', threshold: undefined },
      transform: models[0]?.transform ?? transform,
    });
    for (const [at] of SIZES.entries()) {
      const place = join(folder, String(at));
      mkdirSync(place);
      copyFileSync(model, join(place, 'model.onnx'));
      copyFileSync(join(pictures, `class-${at}`, 'a.png'), join(place, 'picture.jpg'));
      jobs.push([place, python?.text ?? '']);
    }
  }
  const list = join(root, 'jobs.json');
  writeFileSync(list, JSON.stringify(jobs));
  const found = runPeerWith<number[][]>(MODULES, 'run_snippets.py', list);
  assert.deepEqual([found.length, expected.length], [CASES.length * SIZES.length, CASES.length * SIZES.length]);
  for (const [i, scores] of found.entries()) {
    const off = Math.max(...scores.map((score, k) => Math.abs(score - (expected[i]?.[k] ?? Number.NaN))));
    const place = `case ${Math.floor(i / SIZES.length)}, picture ${i % SIZES.length}\n${jobs[i]?.[1]}`;
    assert.ok(off < 1e-4, `${off} off: ${place}`);
  }
});
