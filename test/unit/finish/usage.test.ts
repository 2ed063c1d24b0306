import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { resolveTransform, type TransformOptions } from '../../../src/data/index.ts';
import { usageSnippets } from '../../../src/finish/index.ts';
import { completeSettings } from '../../../src/finish/recipe.ts';
import { usedModel } from '../../../src/finish/used-model.ts';
import { writeHead } from '../../support/heads.ts';
import { writeSnippetModel } from '../../support/snippet-models.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const MODEL = { input: 'x', output: 'y', outputType: 'float32', threshold: undefined };
const codeOf = (options: TransformOptions, language: string, more: object = {}): string =>
  usageSnippets({ ...MODEL, transform: resolveTransform(options), ...more }).find((one) => one.language === language)
    ?.text ?? '';

test('the Python code resizes by the rule of the model, and says so where Pillow has no such filter', () => {
  assert.match(codeOf({ preset: 'timm', size: 224 }, 'python'), /256 \* side \/\/ min\(image\.size\)\) for side/);
  assert.match(codeOf({ preset: 'none', size: 20 }, 'python'), /image\.resize\(\(20, 20\)/);
  const other = codeOf({ preset: 'tensorflow', size: 224 }, 'python');
  assert.doesNotMatch(other, /image\.resize/);
  assert.match(other, /^# Bring it to 256 x 256 by the rule "inner", "bicubic", as tensorflow does/m);
});

const root = tempFolder();
const modules = fileURLToPath(new URL('../../../../node_modules', import.meta.url));

test('the Node.js code runs, and prints the class of the highest score, of numbers of 16 bits too', () => {
  const settings = completeSettings({ inputs: { paths: ['a'] }, val: { source: 'b' } });
  const cases = [
    { options: { color: 'grey', mean: [0.5], std: [0.5] }, biases: [0, 2, 1], half: false },
    { options: { dtype: 'uint8', layout: 'NHWC' }, biases: [3, 2, 1], half: false },
    { options: { dtype: 'float16' }, biases: [-3, -2, -1], half: true },
  ] as const;
  symlinkSync(modules, join(root, 'node_modules'));
  for (const [i, { options, biases, half }] of cases.entries()) {
    const folder = join(root, String(i));
    mkdirSync(folder);
    const transform = resolveTransform({ preset: 'none', size: 6, ...options });
    const used = usedModel(writeSnippetModel(folder, transform, biases, half), transform, settings, {});
    assert.ok(used);
    const code = usageSnippets(used).find(({ language }) => language === 'js')?.text ?? '';
    writeFileSync(join(folder, 'usage.mjs'), code);
    const { stdout, stderr } = spawnSync(process.execPath, ['usage.mjs'], { cwd: folder, encoding: 'utf8' });
    assert.equal(stdout.trim(), String(biases.indexOf(Math.max(...biases) as never)), stderr);
  }
});

test('of a head of one score class 1 lies above a half, or above 0 of a logit', () => {
  const settings = completeSettings({ inputs: { paths: ['a'] }, val: { source: 'b' } });
  const transform = resolveTransform({ preset: 'none', size: 20, color: 'grey' });
  const path = writeHead(root, 'single');
  assert.equal(usedModel(path, transform, settings, { outputs: 'sigmoid' })?.threshold, 0.5);
  assert.equal(usedModel(path, transform, settings, { outputs: 'logits' })?.threshold, 0);
  for (const [language, line] of [
    ['python', /scores\.item\(\) > 0\.5/],
    ['js', /values\[0\] > 0\.5/],
    ['cpp', /scores\[0\] > 0\.5/],
  ] as const)
    assert.match(codeOf({ size: 20 }, language, { threshold: 0.5 }), line);
  assert.match(codeOf({ size: 20 }, 'js', { threshold: 0.5, outputType: 'float16' }), /values\[0\] > 0x3800/);
});
