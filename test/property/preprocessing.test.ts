import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import '../support/seeded.ts';
import { TemperError } from '../../src/core/index.ts';
import { isTransform, resolveTransform } from '../../src/data/index.ts';
import { composed } from '../../src/signature/preprocessing/compose.ts';
import { parseRecord, recordText } from '../../src/signature/preprocessing/recorded.ts';
import { classifier, modelFolder, transformOf } from '../support/classifier-folder.ts';

const value = fc.oneof(
  fc.jsonValue(),
  fc.integer({ min: -2, max: 400 }),
  fc.double({ noNaN: true, min: -2, max: 2 }),
  fc.boolean(),
  fc.array(fc.double({ noNaN: true, min: 0, max: 1 }), { maxLength: 4 }),
  fc.record({ height: fc.integer({ min: 0, max: 300 }), width: fc.integer({ min: 0, max: 300 }) }),
  fc.record({ shortest_edge: fc.integer({ min: 0, max: 300 }) }),
  fc.constantFrom('center', 'border', 'squash', 'bicubic', 'random', 'ConvNextImageProcessor', 'LevitImageProcessor'),
);
const fields = (...names: string[]): fc.Arbitrary<object> =>
  fc.dictionary(fc.oneof({ weight: 20, arbitrary: fc.constantFrom(...names) }, fc.string()), value);

const TIMM = [
  'input_size',
  'test_input_size',
  'crop_pct',
  'test_crop_pct',
  'crop_mode',
  'interpolation',
  'mean',
  'std',
];
const PROCESSOR = [
  ...['image_processor_type', 'size', 'crop_size', 'crop_pct', 'resample', 'do_resize', 'do_center_crop', 'do_rescale'],
  ...[
    'rescale_factor',
    'rescale_offset',
    'do_normalize',
    'image_mean',
    'image_std',
    'include_top',
    'do_pad',
    'pad_size',
  ],
];

test('whatever a configuration holds, a model gets a transform that can be applied, or a typed error', () => {
  const path = modelFolder(classifier());
  const holds = (name: string, config: object): void => {
    writeFileSync(join(dirname(path), 'config.json'), '{}');
    writeFileSync(join(dirname(path), 'preprocessor_config.json'), '{"size":224,"do_normalize":false}');
    writeFileSync(join(dirname(path), name), JSON.stringify(config));
    try {
      assert.ok(isTransform(transformOf(path).transform));
    } catch (error) {
      if (!(error instanceof TemperError)) throw error;
    }
  };
  fc.assert(
    fc.property(fields(...TIMM), (config) => holds('config.json', { pretrained_cfg: config })),
    { numRuns: 150 },
  );
  fc.assert(
    fc.property(fields(...PROCESSOR), (config) => holds('preprocessor_config.json', config)),
    { numRuns: 150 },
  );
});

const number = fc.double({ noNaN: true, min: 0.05, max: 1 });
const three = fc.tuple(number, number, number);

test('what is left before a graph, and the graph, make the whole', () => {
  fc.assert(
    fc.property(
      three,
      three,
      three,
      three,
      fc.constantFrom('rgb' as const, 'bgr' as const),
      (mean, std, scale, shift, color) => {
        const left = composed({ mean, std }, { scale, shift, flips: false, operators: [] }, color);
        for (const u of [0, 0.3, 1]) {
          for (const c of [0, 1, 2] as const) {
            const at = color === 'bgr' ? ((2 - c) as 0 | 1 | 2) : c;
            const fed = (u - (left.mean[c] as number)) / (left.std[c] as number);
            const whole = (u - mean[c]) / std[c];
            assert.ok(Math.abs(scale[at] * fed + shift[at] - whole) <= 1e-4 * Math.max(1, Math.abs(whole)));
          }
        }
      },
    ),
  );
});

test('an entry is read back to the transform that was written', () => {
  const sizes = fc.integer({ min: 1, max: 400 });
  fc.assert(
    fc.property(
      sizes,
      sizes,
      three,
      three,
      fc.constantFrom('torchvision', 'fixres', 'tensorflow', 'none'),
      (a, b, mean, std, preset) => {
        const transform = resolveTransform({ preset: preset as 'none', size: { height: a, width: b }, mean, std });
        assert.deepEqual(parseRecord(recordText({ transform })).transform, transform);
      },
    ),
  );
});
