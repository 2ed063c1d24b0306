import assert from 'node:assert/strict';
import { test } from 'node:test';
import { METHOD, methodOf, SELECTION } from '../../../../cli/avg-ckpt/average-options.ts';
import { METHODS } from '../../../../src/average/index.ts';
import { DEFAULT_PATTERN } from '../../../../src/snapshots/index.ts';
import { expectFailure } from '../../../support/expect-failure.ts';

const { method, 'half-life': halfLife, weights, 'decay-per-step': decayPerStep } = METHOD;

const ABSENT = {
  method: undefined,
  decay: undefined,
  'decay-per-step': undefined,
  'steps-per-epoch': undefined,
  'half-life': undefined,
  warmup: false,
  'from-first': false,
  weights: undefined,
  'sigma-rel': undefined,
  gamma: undefined,
  t0: undefined,
  trim: undefined,
  base: undefined,
  'input-sigma-rel': undefined,
};

test('the words of --method are those of the methods that there are, and the pattern is that of the job', () => {
  assert.deepEqual(METHOD.method.choices, Object.keys(METHODS));
  assert.ok(SELECTION.pattern.describe.includes(`default: ${DEFAULT_PATTERN};`));
});

test('--method takes the names of other tools, in any case', () => {
  assert.deepEqual(['swa', 'Mean', 'EMA', 'Model-Stock'].map(method.coerce), [
    'uniform',
    'uniform',
    'ema',
    'model-stock',
  ]);
});

test('half-lives are snapshots, steps or epochs, and nothing else', async () => {
  const [snapshots, steps, epochs, one] = halfLife.coerce('5,5000steps,2.5Epochs,1e3step') ?? [];
  assert.deepEqual([snapshots, steps, epochs, one], [5, { steps: 5000 }, { epochs: 2.5 }, { steps: 1000 }]);
  for (const text of ['x', '5 parsecs', '', '1.2.3', '-1', '5,'])
    await expectFailure('USAGE', [/--half-life/, /5000steps/], async () => halfLife.coerce(text));
});

test('--weights is a list of numbers, else the name of a table', () => {
  assert.deepEqual(weights.coerce('1,0.5,-2'), [1, 0.5, -2]);
  assert.equal(weights.coerce('w,1.csv'), 'w,1.csv');
  assert.equal(weights.coerce('1,'), '1,');
});

test('--decay-per-step alone says that the decays are per step', () => {
  const of = (perStep: string): object =>
    methodOf({ ...ABSENT, decay: [0.9], 'decay-per-step': decayPerStep.coerce(perStep) });
  const { decay, decayPerStep: alone } = of('') as { decay?: number[]; decayPerStep?: number[] };
  assert.deepEqual([decay, alone], [undefined, [0.9]]);
  const both = of('0.999') as { decay?: number[]; decayPerStep?: number[] };
  assert.deepEqual([both.decay, both.decayPerStep], [[0.9], [0.999]]);
});
