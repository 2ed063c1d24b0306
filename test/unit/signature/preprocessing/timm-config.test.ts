import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { applyTransform, decodeImageFile, toGrey } from '../../../../src/data/index.ts';
import { configReader } from '../../../../src/signature/preprocessing/config-fields.ts';
import { resolveTimm } from '../../../../src/signature/preprocessing/timm-config.ts';
import { classifier, modelFolder, transformOf } from '../../../support/classifier-folder.ts';

interface Resolved {
  readonly input_size: [number, number, number];
  readonly interpolation: string;
  readonly mean: number[];
  readonly std: number[];
  readonly crop_pct: number;
  readonly crop_mode: string;
}
interface Picture {
  readonly shape: number[];
  readonly at: number[];
  readonly values?: number[];
  /** Of `random`: as bilinear and as bicubic. */
  readonly either?: number[][];
}
interface Row {
  readonly tag: string;
  readonly 'config.json': { pretrained_cfg: Record<string, unknown> };
  readonly test: Resolved;
  readonly train_size: Resolved;
  readonly test_transforms: string[];
  readonly pictures?: Record<string, Picture>;
}
const FOLDER = 'fixtures/preprocessing';
const rowsOf = (file: string): Row[] => (JSON.parse(readFileSync(`${FOLDER}/${file}`, 'utf8')) as { rows: Row[] }).rows;
const rows = [...rowsOf('timm.json'), ...rowsOf('timm-made-up.json')];

const numbersIn = (text: string): number[] => (text.match(/\d+(\.\d+)?/g) ?? []).map(Number);

/** What timm's printed transforms do: target, rule, filter and crop. */
function printed([first = '', second = '', , normalize = '']: readonly string[]) {
  const [, size = ''] = /size=(\([^)]*\)|\d+)/.exec(first) ?? [];
  const [height = 0, width = height] = numbersIn(size);
  const keeps = first.startsWith('ResizeKeepRatio');
  const short = first.includes('longest=0.000') || (!keeps && !size.startsWith('('));
  const [, filter = ''] = /interpolation=([^,)]*)/.exec(first) ?? [];
  const [cropHeight = 0, cropWidth = cropHeight] = numbersIn(second);
  return {
    resize: { height, width },
    resizeRule: short ? 'short' : keeps ? 'border' : 'squash',
    interpolation: filter.includes(' ') ? 'random' : filter,
    crop: { height: cropHeight, width: cropWidth },
    mean: numbersIn(normalize.split('std')[0] ?? ''),
    std: numbersIn(normalize.split('std')[1] ?? ''),
  };
}

test('every configuration of timm is resolved as timm resolves it, for testing and for the training size', () => {
  assert.ok(rows.length >= 73);
  for (const { tag, 'config.json': config, test: tested, train_size: trained } of rows) {
    const reader = configReader({ source: tag, fields: config.pretrained_cfg });
    for (const [useTestSize, expected] of [
      [true, tested],
      [false, trained],
    ] as const) {
      const { inputSize, interpolation, mean, std, cropPct, cropMode } = resolveTimm(reader, useTestSize);
      assert.deepEqual(
        { input_size: inputSize, interpolation, mean, std, crop_pct: cropPct, crop_mode: cropMode },
        expected,
        tag,
      );
    }
  }
});

test("a model beside timm's config.json gets the transforms that timm builds", () => {
  for (const { tag, 'config.json': config, test: tested, test_transforms: lines } of rows) {
    const channels = tested.input_size[0];
    if (channels > 3) continue;
    const path = modelFolder(classifier({ dims: ['N', channels, 'H', 'W'] }), { 'config.json': config });
    const { transform, notes } = transformOf(path);
    const { resize, resizeRule, interpolation, crop, mean, std } = transform;
    const rounded = (values: readonly number[]): number[] => values.map((value) => Number(value.toFixed(4)));
    assert.deepEqual(
      { resize, resizeRule, interpolation, crop, mean: rounded(mean), std: rounded(std) },
      printed(lines),
      tag,
    );
    assert.deepEqual([mean, std], [tested.mean, tested.std], tag);
    assert.match(
      notes.join('\n'),
      /size, resize, resize rule, interpolation.* by .*config\.json \(pretrained_cfg\)/,
      tag,
    );
  }
});

test('border, squash, oblong, grey and random configurations give the values that timm gives', async () => {
  const tested = rows.filter(({ pictures }) => pictures && Object.keys(pictures).length > 0);
  assert.ok(tested.length >= 12);
  for (const {
    tag,
    'config.json': config,
    test: {
      input_size: [channels],
    },
    pictures = {},
  } of tested) {
    const path = modelFolder(classifier({ dims: ['N', channels, 'H', 'W'] }), { 'config.json': config });
    const { transform } = transformOf(path);
    for (const [name, { shape, at, values, either = [values ?? []] }] of Object.entries(pictures)) {
      const image = await decodeImageFile(`${FOLDER}/${name}`);
      const { data } = applyTransform(channels === 1 ? toGrey(image) : image, transform);
      assert.deepEqual([channels, transform.crop.height, transform.crop.width], shape);
      const worst = either.map((expected) =>
        at.reduce((most, place, i) => Math.max(most, Math.abs((data[place] as number) - (expected[i] as number))), 0),
      );
      assert.ok(Math.min(...worst) <= 1e-6, `${tag}, ${name}: ${worst.join(', ')}`);
    }
  }
});

test('a model that is fixed to the training size gets what timm does at that size', () => {
  const row = rows.find(({ tag }) => tag === 'convnext_atto.d2_in1k');
  const path = modelFolder(classifier({ dims: ['N', 3, 224, 224] }), { 'config.json': row?.['config.json'] });
  const { transform, notes } = transformOf(path);
  assert.deepEqual([transform.crop.height, transform.resize.height], [224, 256]);
  assert.match(notes.join('\n'), /training size/);
});

test("a grey model with the numbers of three colours gets their mean, as timm's loader does", () => {
  const path = modelFolder(classifier({ dims: ['N', 1, 'H', 'W'] }), {
    'config.json': { pretrained_cfg: { input_size: [3, 64, 64] } },
  });
  const { mean, std, color } = transformOf(path).transform;
  assert.deepEqual([mean, std, color], [[0.449], [0.226], 'grey']);
});
