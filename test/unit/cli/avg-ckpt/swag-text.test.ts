import assert from 'node:assert/strict';
import { test } from 'node:test';
import { swagVerdict } from '../../../../cli/avg-ckpt/swag-text.ts';
import { comparePaired } from '../../../../src/evaluate/index.ts';
import { predictions } from './searched.ts';

const verdict = (before: number, after: number): string =>
  swagVerdict([{ paired: undefined }, { paired: comparePaired(predictions(100, before), predictions(100, after)) }]);

test('SWAG lowers or raises the NLL only where the whole interval of the paired difference is on one side', () => {
  assert.match(verdict(50, 80), /^SWAG lowers the NLL: -\d/);
  assert.match(verdict(80, 50), /^SWAG raises the NLL: .*; use the SWA model/);
  assert.match(verdict(50, 51), /^SWAG does not change the NLL beyond noise/);
  assert.equal(swagVerdict([]), '');
});
