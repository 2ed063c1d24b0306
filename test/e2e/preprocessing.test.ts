/** Preprocessing end to end: what lies beside a model is enough, and what a command writes is enough for the next. */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import sharp from 'sharp';
import { readIdxImages, readIdxLabels } from '../../src/data/index.ts';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { avgCkpt, BN_RECAL, runProgram } from '../support/run-cli.ts';
import { evalCkpt, evalFails, evalJson } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const NUMBER = JSON.parse(readFileSync('fixtures/preprocessing/timm-number.json', 'utf8')) as {
  readonly images: number;
  readonly pretrained_cfg: object;
  readonly top1: number;
  readonly nll: number;
};
const CLASSES = ['tee', 'trouser', 'pullover', 'dress', 'coat', 'sandal', 'shirt', 'sneaker', 'bag', 'boot'];
const PROCESSOR = {
  ...{ image_processor_type: 'ViTImageProcessor', do_resize: true, size: { height: 20, width: 20 }, resample: 2 },
  ...{ do_rescale: true, rescale_factor: 1 / 255, do_normalize: true, image_mean: [0.286], image_std: [0.353] },
};

const folder = tempFolder();
const photos = join(folder, 'photos');
const hub = join(folder, 'hub');
const [snapshot, earlier] = [SNAPSHOTS.at(-1) as string, SNAPSHOTS.at(-2) as string];
/** Folders are in text order; the network's classes are not. */
const classMap = join(folder, 'classes.json');

before(async () => {
  const images = await readIdxImages(`${FASHION}/test-images-idx3-ubyte.gz`);
  const labels = await readIdxLabels(`${FASHION}/test-labels-idx1-ubyte.gz`);
  writeFileSync(classMap, JSON.stringify(Object.fromEntries(CLASSES.map((name, index) => [name, index]))));
  for (const name of CLASSES) mkdirSync(join(photos, name), { recursive: true });
  for (let i = 0; i < NUMBER.images; i++) {
    const data = images.data.slice(i * 784, (i + 1) * 784);
    const raw = { width: 28, height: 28, channels: 1 } as const;
    const path = join(photos, CLASSES[labels[i] as number] as string, `${String(i).padStart(4, '0')}.png`);
    writeFileSync(path, await sharp(data, { raw }).toColourspace('b-w').png().toBuffer());
  }
  mkdirSync(hub);
  copyFileSync(snapshot, join(hub, 'model.onnx'));
  const id2label = Object.fromEntries(CLASSES.map((name, index) => [index, name]));
  const config = { architecture: 'x', pretrained_cfg: NUMBER.pretrained_cfg, id2label };
  writeFileSync(join(hub, 'config.json'), JSON.stringify(config));
  writeFileSync(join(hub, 'preprocessor_config.json'), JSON.stringify(PROCESSOR));
});

const data = (): string[] => ['--data', photos, '--classes', classMap];

test("a folder in Hugging Face's layout and a folder of images give timm's number without a transform option", () => {
  const [row] = evalJson([join(hub, 'model.onnx'), ...data()]).models;
  assert.equal(row?.n_images, NUMBER.images);
  assert.equal(row?.top1, NUMBER.top1);
  assert.ok(Math.abs(Number(row?.nll) - NUMBER.nll) < 1e-5, `${row?.nll}`);
  const { stderr } = evalCkpt(join(hub, 'model.onnx'), ...data());
  assert.match(stderr, /size, resize, .*interpolation.*by .*config\.json \(pretrained_cfg\)/);
});

test("the model in a folder `onnx` below the configuration gives timm's number, too", () => {
  const root = join(folder, 'hub-onnx');
  mkdirSync(join(root, 'onnx'), { recursive: true });
  for (const name of ['config.json', 'preprocessor_config.json']) copyFileSync(join(hub, name), join(root, name));
  copyFileSync(snapshot, join(root, 'onnx', 'model.onnx'));
  const [row] = evalJson([join(root, 'onnx', 'model.onnx'), ...data()]).models;
  const [flat] = evalJson([join(hub, 'model.onnx'), ...data()]).models;
  assert.equal(row?.top1, NUMBER.top1);
  assert.deepEqual([row?.nll, row?.transform_sha256], [flat?.nll, flat?.transform_sha256]);
});

test('a configuration that contradicts another stops the command with 6; the option that it names ends that', () => {
  const other = join(folder, 'other');
  mkdirSync(other);
  copyFileSync(snapshot, join(other, 'model.onnx'));
  copyFileSync(join(hub, 'config.json'), join(other, 'config.json'));
  writeFileSync(join(other, 'preprocessor_config.json'), JSON.stringify({ ...PROCESSOR, image_std: [0.5] }));
  const model = join(other, 'model.onnx');
  evalFails([model, ...data()], 6, 'MISMATCH_VALUE', /std is 0\.353 by .*, 0\.5 by .*--std/s);
  assert.equal(evalJson([model, ...data(), '--std', '0.353']).models[0]?.top1, NUMBER.top1);
});

test('a recalibrated model needs no transform option, nor does what is averaged from it; files beside it are written once', () => {
  const recalibrated = (from: string, name: string): string => {
    const out = join(folder, name);
    const transform = ['--config', hub, '--samples', '400', '--allow-worse', '--device', 'cpu'];
    const { status, stderr } = runProgram(BN_RECAL, [from, '--data', photos, ...transform, '--out', out]);
    assert.equal(status, 0, stderr);
    return out;
  };
  /** Text in a model's metadata. */
  const entryOf = (path: string): string => readFileSync(path).toString('utf8');
  const models = [recalibrated(earlier, 'epoch_1.onnx'), recalibrated(snapshot, 'epoch_2.onnx')];
  const out = join(folder, 'averaged', 'swa.onnx');
  mkdirSync(join(folder, 'averaged'));
  const average = (...more: string[]) => avgCkpt(...models, '--out', out, ...more);
  assert.equal(average().status, 0);
  assert.ok(entryOf(out).includes(`"class_names":${JSON.stringify(CLASSES)}`));
  const [plain] = evalJson([out, ...data()]).models;
  const [told] = evalJson([out, ...data(), '--config', hub]).models;
  assert.deepEqual([plain?.top1, plain?.transform_sha256], [told?.top1, told?.transform_sha256]);
  const embedded = average('--force', '--write-config', '--embed-preprocessing');
  assert.equal(embedded.status, 0, embedded.stderr);
  assert.ok(existsSync(join(folder, 'averaged', 'config.json')));
  const [fed] = evalJson([out, ...data()]).models;
  assert.deepEqual([fed?.top1, fed?.nll], [plain?.top1, plain?.nll]);
  const other = avgCkpt(...models, '--out', join(folder, 'averaged', 'b.onnx'), '--write-config');
  assert.equal(other.status, 3, other.stderr);
});
