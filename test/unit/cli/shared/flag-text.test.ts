import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flagText } from '../../../../cli/shared/flag-text.ts';

test("a job's options become flags, and nothing else in backticks does", () => {
  const cases = [
    ['`trainSize` 224: give `size`.', '--train-size 224: give --size.'],
    ['`val.labels` and `val.source`', '--val-labels and --val'],
    ['`data.source`, `data.onBadImage`', '--data, --on-bad-image'],
    ['more memory (`cacheMemoryBytes`)', 'more memory (--cache-memory)'],
    ['run `git lfs pull`, or `npm run setup:cuda`', 'run `git lfs pull`, or `npm run setup:cuda`'],
  ] as const;
  for (const [text, expected] of cases) assert.equal(flagText(text), expected);
});
