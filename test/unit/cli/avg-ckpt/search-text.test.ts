import assert from 'node:assert/strict';
import { test } from 'node:test';
import { searchText, verdictText } from '../../../../cli/avg-ckpt/search-text.ts';
import { candidate, searched } from './searched.ts';

const CANDIDATES = [
  candidate('epoch_1', 'single', 60),
  candidate('uniform', 'last', 70),
  candidate('ema_0.9', 'ema', 74, 'recalibrate'),
] as const;

test('the verdict compares the best with the best single, and says when that one was written instead', () => {
  const better = searched(CANDIDATES, [60, 80]);
  assert.match(verdictText(better, false), /^ema_0.9, recalibrated against epoch_1, the best single: .*: better\n$/);
  const same = searched(CANDIDATES, [60, 61]);
  assert.match(
    verdictText(same, false),
    /the smallest that would show is \d+\.\d\d points\nnothing is better beyond noise/,
  );
  assert.doesNotMatch(verdictText(same, true), /nothing is better/);
  assert.match(verdictText({ ...same, verdict: undefined }, false), /a single snapshot: no average did better/);
});

test('candidates are listed best first, each with its statistics, and what was written ends the text', () => {
  const record = searched(CANDIDATES, [60, 80]);
  const lines = searchText(record, verdictText(record, false)).split('\n');
  assert.equal(lines[0], 'the best of 3 on the selection split (100 images):');
  assert.deepEqual(
    lines.slice(2, 5).map((line) => line.trim().split(/\s+/).slice(0, 2)),
    [
      ['ema_0.9', 'recalibrate'],
      ['uniform', 'average'],
      ['epoch_1', 'average'],
    ],
  );
  assert.equal(lines.at(-2), 'ema_0.9, recalibrated: best.onnx  10 bytes  sha256 ab');
});
