import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { version } from '../../../src/core/index.ts';
import { recipeText } from '../../../src/finish/recipe.ts';
import { resolveSettings } from '../../../src/finish/resolve-settings.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const HASH = 'a'.repeat(64);
const MADE = {
  snapshots: [{ file: 'run/a.onnx', sha256: HASH }],
  val: { tableSha256: HASH, images: 8 },
  chooses: { images: 4, rowsSha256: HASH },
  reports: { images: 4, rowsSha256: HASH },
  preprocessing: null,
  steps: [],
  provider: 'cpu',
  onnxruntime: '1.30.0',
  modelSha256: HASH,
};

test('a recipe that another version wrote is taken, and that is said', () => {
  const { settings } = resolveSettings({ inputs: ['run/'], val: { source: 'val/' }, outDir: 'out' });
  const path = join(tempFolder(), 'recipe.yaml');
  const text = recipeText(settings, MADE);
  writeFileSync(path, text);
  assert.deepEqual(resolveSettings({ recipe: path, outDir: 'out' }).notes, []);
  writeFileSync(path, text.replace(`version: ${version}`, 'version: 0.0.1'));
  const [note = '', ...more] = resolveSettings({ recipe: path, outDir: 'out' }).notes;
  assert.match(note, /written by onnx-temper 0\.0\.1, this is /);
  assert.deepEqual(more, []);
  // Other images: nothing is promised of what the recipe gave.
  assert.deepEqual(resolveSettings({ recipe: path, val: { source: 'other/' }, outDir: 'out' }).notes, []);
});
