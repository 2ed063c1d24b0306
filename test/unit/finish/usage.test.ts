import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveTransform, type TransformOptions } from '../../../src/data/index.ts';
import { usageSnippets } from '../../../src/finish/outputs/usage.ts';

const python = (options: TransformOptions): string =>
  usageSnippets({ input: 'x', output: 'y', transform: resolveTransform(options) })[0]?.text ?? '';

test('the Python code resizes by the short side and by squashing, and says so where it cannot', () => {
  assert.match(python({ preset: 'timm', size: 224 }), /resize\(\[256 \* side \/\/ min\(image\.size\) for side/);
  assert.match(python({ preset: 'none', size: 20 }), /image\.resize\(\(20, 20\)/);
  const border = python({ preset: 'timm', size: 224, resizeRule: 'border' });
  assert.doesNotMatch(border, /image\.resize/);
  assert.match(border, /^# Bring it to 256 x 256 by the rule "border"/m);
});
