import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveTransform } from '../../../src/data/index.ts';
import { planOf } from '../../../src/finish/plan.ts';
import type { ReadRun } from '../../../src/finish/read.ts';
import { completeSettings } from '../../../src/finish/recipe.ts';
import { splitOf } from '../../../src/finish/split.ts';

const set = (images: number) => ({
  images,
  tableSha256: '',
  rowsSha256: '',
  keys: [],
  classes: undefined,
  isImages: true,
});
const fact = <T>(value: T) => ({ value, source: 'test' });

/** A run of four snapshots over 800 images, as it is read. */
function readOf(more: object = {}): ReadRun {
  const settings = completeSettings({
    inputs: { paths: ['run/'] },
    train: { source: 't' },
    val: { source: 'v' },
    ...more,
  });
  return {
    settings,
    snapshots: [1, 2, 3, 4].map((i) => ({ file: `run/epoch_${i}.onnx`, sha256: '' })),
    checkpoints: false,
    graph: 'run/epoch_4.onnx',
    graphBytes: 1000,
    transform: resolveTransform({ size: 20 }),
    trainSize: 20,
    reading: {
      input: fact('x'),
      input_type: fact('float32'),
      layout: fact('NCHW'),
      channels: fact(3),
      size: fact('any'),
      batch: fact('any'),
    },
    split: splitOf(settings),
    train: { source: 't' },
    sets: {
      train: set(100),
      val: set(800),
      test: undefined,
      choosing: set(400),
      selecting: set(200),
      judging: set(200),
      reporting: set(400),
    },
  };
}

const namesOf = (more?: object): string[] => planOf(readOf(more)).steps.map(({ step }) => step);

test('the steps are those that are on, and the report is last', () => {
  assert.deepEqual(namesOf(), ['average', 'size', 'calibration', 'report']);
  assert.deepEqual(namesOf({ fixRes: true, calibrate: false }), ['average', 'size', 'fix_res', 'report']);
  assert.deepEqual(namesOf({ sizes: [], calibrate: false }), ['average', 'report']);
});

test('work counts images, candidates and areas; statistics and larger sizes cost more; time follows from speed', () => {
  const [plain, bare, large] = [planOf(readOf()), planOf(readOf({ bn: false })), planOf(readOf({ sizes: [40] }))];
  assert.ok(plain.passes > bare.passes);
  const sizes = (plan: typeof plain): number => plan.steps.find(({ step }) => step === 'size')?.passes ?? 0;
  // Twice the train size is four times the work, beside the train size itself; kept and with statistics, which take their own pass.
  assert.equal(sizes(large), (4 + 1) * (2 * 400 + 100));
  assert.equal(plain.seconds, undefined);
  assert.equal(planOf(readOf(), 100).seconds, plain.passes / 100);
  assert.equal(planOf(readOf({ memory: 5000 })).memoryBytes, 5000 + 4 * 1000);
  assert.deepEqual(plain.images, { choosing: 400, reporting: 400, train: 100 });
});
