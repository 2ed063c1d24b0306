import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { averageCheckpoints, verifyAverage } from '../../../../src/average/index.ts';
import {
  applyTransform,
  decodeImageFile,
  resolveTransform,
  type Transform,
  type TransformOptions,
} from '../../../../src/data/index.ts';
import { openModel, writeEdited } from '../../../../src/onnx/index.ts';
import { openSession } from '../../../../src/runtime/index.ts';
import { type CarryOptions, carried, writeConfigs } from '../../../../src/signature/index.ts';
import { PREPROCESSING_KEY, parseRecord, recordText } from '../../../../src/signature/preprocessing/recorded.ts';
import { assertFails } from '../../../support/assert-fails.ts';
import { type ClassifierParts, classifier, modelFolder, transformOf } from '../../../support/classifier-folder.ts';
import { findPython, lacksPython } from '../../../support/python.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const NAMES = ['a', 'b', 'c'];
const STEP = { key: 'onnx_temper.1', value: '{}' };

/** Writes a model as a job does that measured it with a transform. */
function written(bytes: Uint8Array, transform: Transform, options: CarryOptions = {}): string {
  const model = openModel(modelFolder(bytes));
  try {
    const path = join(tempFolder(), 'out.onnx');
    const carrying = carried(model, { transform, classNames: NAMES }, options);
    writeEdited(model, carrying.edits, {
      path,
      force: false,
      metadata: [...carrying.metadata, STEP, ...carrying.later],
    });
    writeConfigs(carrying, path, false);
    return path;
  } finally {
    model.close();
  }
}

const TRANSFORMS: readonly TransformOptions[] = [
  { preset: 'timm', size: 64 },
  { preset: 'fixres', size: 48, color: 'bgr', mean: [0.1, 0.2, 0.3], std: [1, 0.5, 0.25] },
  { preset: 'tensorflow', size: 40 },
  {
    preset: 'none',
    size: { height: 40, width: 56 },
    resampler: 'opencv',
    interpolation: 'area',
    mean: [0],
    std: [1 / 255],
  },
  { preset: 'timm', size: 64, resizeRule: 'border', cropRatio: 1 },
];

test('a model keeps the whole transform and the class names, and needs no option to be shown images again', () => {
  for (const options of TRANSFORMS) {
    const transform = resolveTransform(options);
    const path = written(classifier(), transform);
    const { transform: found, notes } = transformOf(path);
    assert.deepEqual(found, transform);
    assert.match(notes.join('\n'), /size, resize,.*by the model's metadata \(onnx_temper\.preprocessing\)/);
    assert.deepEqual(parseRecord(recordText({ transform, classNames: NAMES })), { transform, classNames: NAMES });
    // Replaced, not numbered.
    const model = openModel(path);
    const again = carried(model, { transform: resolveTransform({ size: 32 }) }, {});
    const out = join(tempFolder(), 'again.onnx');
    writeEdited(model, again.edits, { path: out, force: false, metadata: again.metadata });
    model.close();
    const second = openModel(out);
    assert.deepEqual(
      second.record.metadata.map(({ key }) => key),
      ['onnx_temper.1', PREPROCESSING_KEY],
    );
    second.close();
    assert.equal(transformOf(out).transform.crop.height, 32);
  }
});

test('an entry that is broken, or of a later version, is a typed error', () => {
  const of = (value: string) => () =>
    transformOf(modelFolder(classifier({ metadata: { [PREPROCESSING_KEY]: value } })));
  const good = JSON.parse(recordText({ transform: resolveTransform() })) as Record<string, unknown>;
  assertFails(of('{'), 'FORMAT_MALFORMED');
  assertFails(of(JSON.stringify({ ...good, format: 2 })), 'UNSUPPORTED_FORMAT');
  assertFails(of(JSON.stringify({ ...good, std: [0, 1, 1] })), 'FORMAT_MALFORMED');
  assertFails(of(JSON.stringify({ ...good, size: { height: 1e9, width: 3 } })), 'FORMAT_MALFORMED');
  assertFails(of(JSON.stringify({ ...good, more: 1 })), 'FORMAT_MALFORMED');
  assertFails(of(JSON.stringify({ ...good, class_names: [1] })), 'FORMAT_MALFORMED');
});

const scoresOf = async (path: string, transform: Transform, file: string): Promise<number[]> => {
  const session = await openSession({ model: path, device: 'cpu' });
  try {
    const { data } = applyTransform(await decodeImageFile(file), transform);
    const { height, width } = transform.crop;
    const dims = transform.layout === 'NCHW' ? [1, 3, height, width] : [1, height, width, 3];
    const type = transform.dtype;
    const { outputs } = await session.run({ x: { type, dims, data } as never });
    return Array.from((outputs.y as { data: ArrayLike<number> }).data);
  } finally {
    await session.close();
  }
};

test('scale, mean and deviation in the graph give the scores that they gave before it, bit for bit', async () => {
  const nhwc: ClassifierParts = {
    dims: ['N', 'H', 'W', 3],
    nodes: [['Transpose', ['x'], ['z'], { perm: [0, 3, 1, 2] }]],
  };
  for (const [parts, options] of [
    [{}, { preset: 'timm', size: 64 }],
    [{}, { preset: 'torchvision', size: 50, color: 'bgr', mean: [0.1, 0.2, 0.3], std: [0.3, 0.2, 0.1] }],
    [{ dims: [1, 3, 32, 48] }, { size: { height: 32, width: 48 }, mean: [0.5], std: [0.5] }],
    [nhwc, { preset: 'timm', size: 40, layout: 'NHWC' }],
  ] as const) {
    const transform = resolveTransform(options);
    const before = written(classifier(parts as ClassifierParts), transform);
    const after = written(classifier(parts as ClassifierParts), transform, { embedPreprocessing: true });
    const { transform: found } = transformOf(after);
    assert.deepEqual([found.dtype, found.layout, found.color, found.mean], ['uint8', 'NHWC', 'rgb', []]);
    for (const file of ['wide', 'small'].map((name) => `fixtures/preprocessing/${name}.png`)) {
      assert.deepEqual(await scoresOf(after, found, file), await scoresOf(before, transform, file));
    }
  }
});

test('what cannot be embedded is refused', () => {
  const uint8: ClassifierParts = { type: 'UINT8', nodes: [['Cast', ['x'], ['z'], { to: 1 }]] };
  const transform = resolveTransform({ dtype: 'uint8' });
  assertFails(() => written(classifier(uint8), transform, { embedPreprocessing: true }), 'UNSUPPORTED_GRAPH');
  const model = openModel(modelFolder(classifier()));
  assertFails(() => carried(model, undefined, { writeConfig: true }), 'USAGE');
  model.close();
});

test('configuration files beside a model agree with its entry, embedded or not', () => {
  for (const options of [
    { preset: 'timm', size: 224 },
    { preset: 'torchvision', size: 160, resize: 171 },
    { preset: 'none', size: 96, mean: [0.5], std: [0.5] },
    { preset: 'timm', size: 64, resizeRule: 'squash' },
  ] as const) {
    const transform = resolveTransform(options);
    for (const embedPreprocessing of [false, true]) {
      const path = written(classifier(), transform, { writeConfig: true, embedPreprocessing });
      const { resize, crop, mean } = transformOf(path).transform;
      assert.deepEqual([resize, crop], [transform.resize, transform.crop]);
      assert.equal(mean.length, embedPreprocessing ? 0 : 3);
      const plain = join(dirname(path), 'plain.onnx');
      writeFileSync(plain, classifier());
      if (!embedPreprocessing) assert.deepEqual(transformOf(plain).transform.mean, transform.mean);
      const config = JSON.parse(readFileSync(join(dirname(path), 'config.json'), 'utf8')) as { id2label: object };
      assert.deepEqual(config.id2label, { 0: 'a', 1: 'b', 2: 'c' });
    }
  }
  const path = written(classifier(), resolveTransform());
  const model = openModel(path);
  const carrying = carried(model, { transform: resolveTransform() }, { writeConfig: true });
  model.close();
  writeConfigs(carrying, path, false);
  assertFails(() => writeConfigs(carrying, path, false), 'OUTPUT_EXISTS');
  writeConfigs(carrying, path, true);
});

/** Two snapshots that were measured so. */
function snapshots(...records: (TransformOptions | undefined)[]): string {
  const folder = join(tempFolder(), 'run');
  mkdirSync(folder);
  for (const [i, options] of records.entries()) {
    const text = options && recordText({ transform: resolveTransform(options), classNames: NAMES });
    const extra = { step: String(i), ...(text && { [PREPROCESSING_KEY]: text }) };
    writeFileSync(join(folder, `epoch_${i}.onnx`), classifier({ metadata: extra, scale: i + 1 }));
  }
  return folder;
}

test('averages inherit what all inputs say, say so where they differ, and are verified with it', async () => {
  const averaged = async (folder: string, more: CarryOptions = {}) => {
    const notes: string[] = [];
    const out = join(tempFolder(), 'swa.onnx');
    await averageCheckpoints({ inputs: [folder], out, ...more }, { observer: { note: (text) => notes.push(text) } });
    const { ok, findings } = await verifyAverage({ file: out, inputs: [folder] }).catch(() => ({
      ok: undefined,
      findings: [],
    }));
    const model = openModel(out);
    const entry = model.record.metadata.find(({ key }) => key === PREPROCESSING_KEY)?.value;
    model.close();
    return { out, notes: notes.join('\n'), entry, ok, findings };
  };
  const small = { size: 32, preset: 'none' } as const;
  const agreed = await averaged(snapshots(small, small));
  assert.equal(agreed.entry, recordText({ transform: resolveTransform(small), classNames: NAMES }));
  assert.deepEqual([agreed.ok, agreed.findings], [true, []]);
  for (const folder of [snapshots(small, { size: 48 }), snapshots(small, undefined), snapshots(undefined, small)]) {
    const differs = await averaged(folder);
    assert.equal(differs.entry, undefined);
    assert.match(differs.notes, /different preprocessing: the average says none/);
    assert.deepEqual([differs.ok, differs.findings], [true, []]);
  }
  const none = await averaged(snapshots(undefined, undefined));
  assert.deepEqual([none.entry, none.ok], [undefined, true]);
  const embedded = await averaged(snapshots(small, small), { embedPreprocessing: true, writeConfig: true });
  assert.equal(transformOf(embedded.out).transform.dtype, 'uint8');
});

const READ_BACK = `
import importlib.util, json, os, sys
if importlib.util.find_spec('timm') is None: print('[]'); sys.exit()
import numpy as np
import torch
lib = torch.library.Library('torchvision', 'DEF')
for name in ('nms', 'qnms'): lib.define(f'{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
for name in ('roi_align', '_roi_align_backward', 'roi_pool', '_roi_pool_backward', 'ps_roi_align', '_ps_roi_align_backward', 'ps_roi_pool', '_ps_roi_pool_backward', 'deform_conv2d', '_deform_conv2d_backward', 'qroi_align'):
    try: lib.define(f'{name}(Tensor input) -> Tensor')
    except RuntimeError: pass
from PIL import Image
from timm.data import create_transform, resolve_data_config
from transformers import AutoImageProcessor
rows = []
for folder in sys.argv[2:]:
    image = Image.open(sys.argv[1]).convert('RGB')
    config = json.load(open(folder + '/config.json'))
    timm = create_transform(**resolve_data_config(pretrained_cfg=config['pretrained_cfg'], use_test_size=True))(image).numpy()
    both = AutoImageProcessor.from_pretrained(folder)(image, return_tensors='pt')['pixel_values'][0].numpy()
    os.remove(folder + '/config.json')
    own = AutoImageProcessor.from_pretrained(folder, backend='pil')(image, return_tensors='np')['pixel_values'][0]
    rows.append([np.asarray(a, np.float32).ravel().tolist() for a in (timm, both, own)])
print(json.dumps(rows))
`;

test('timm and transformers read the files back to the same values', {
  skip: lacksPython('torch', 'transformers', 'PIL'),
}, async (t) => {
  const picture = 'fixtures/preprocessing/small.png';
  const transforms = (
    [
      { preset: 'timm', size: 24, resize: 28 },
      { preset: 'torchvision', size: 20, mean: [0.5], std: [0.25] },
      { preset: 'none', size: 16, interpolation: 'bicubic' },
    ] as const
  ).map((options) => resolveTransform(options));
  const folders = transforms.map((transform) => dirname(written(classifier(), transform, { writeConfig: true })));
  const python = findPython('torch', 'transformers', 'PIL') as string;
  const { stdout, stderr } = spawnSync(python, ['-c', READ_BACK, picture, ...folders], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  assert.notEqual(stdout, '', stderr);
  const rows = JSON.parse(stdout) as number[][][];
  if (rows.length === 0) return t.skip('no Python with timm');
  for (const [i, transform] of transforms.entries()) {
    const { data } = applyTransform(await decodeImageFile(picture), transform);
    for (const [reader, values] of (rows[i] ?? []).entries()) {
      assert.equal(values.length, data.length);
      const worst = values.reduce((most, value, at) => Math.max(most, Math.abs(value - (data[at] as number))), 0);
      assert.ok(worst <= 1e-6, `${['timm', 'transformers and timm', 'transformers'][reader]} ${i}: ${worst}`);
    }
  }
});
