import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseRecipe, readRecipe, recipeText } from '../../../src/finish/recipe.ts';
import { readYaml } from '../../../src/finish/recipe-yaml.ts';
import { assertFails } from '../../support/assert-fails.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder();
let count = 0;
function written(text: string | Uint8Array): string {
  const path = join(folder, `recipe-${count++}.yaml`);
  writeFileSync(path, text);
  return path;
}

const LEAST = 'recipe: 1\nversion: 0.1.0\ninputs: { paths: [run/] }\nval: { source: val/ }\n';
const HASH = 'a'.repeat(64);
const MADE = {
  snapshots: [{ file: 'run/a.onnx', sha256: HASH }],
  train: undefined,
  val: { tableSha256: HASH, images: 8 },
  chooses: { images: 4, rowsSha256: HASH },
  reports: { images: 4, rowsSha256: HASH },
  preprocessing: null,
  steps: [{ step: 'average', taken: true, best_single_top1: 0.5, chose: '# no: comment\n' }],
  latencyRatios: [{ row: '24 px', ratio: 1.25 }],
  provider: 'cpu',
  onnxruntime: '1.30.0',
  modelSha256: HASH,
};

test('a short recipe has every default; written and read again it is the same text', () => {
  const { settings } = readRecipe(written(LEAST));
  assert.deepEqual([settings.bn, settings.fixRes, settings.seed, settings.inputs.order], [true, false, 0, 'natural']);
  assert.equal(settings.sizes.length, 5);
  const text = recipeText(settings, MADE);
  const again = readRecipe(written(text));
  assert.deepEqual(again.settings, settings);
  assert.deepEqual(again.made?.latencyRatios, MADE.latencyRatios);
  assert.equal(recipeText(again.settings, again.made as NonNullable<typeof again.made>), text);
});

const failing = (text: string, code: 'FORMAT_MALFORMED' | 'FORMAT_LIMIT', pattern: RegExp): void => {
  const error = assertFails(() => readRecipe(written(text)), code);
  assert.match(`${error.message} ${error.hint}`, pattern);
};

test('an error names the key with its path, what was found, and what was expected', () => {
  failing(`${LEAST}seed: many\n`, 'FORMAT_MALFORMED', /: seed: found "many", expected a (whole )?number/);
  failing(`${LEAST}seed: 1.5\n`, 'FORMAT_MALFORMED', /: seed: found 1\.5, expected a whole number/);
  failing(`${LEAST}sizes: [0.9]\n`, 'FORMAT_MALFORMED', /: sizes\[0\]: found 0\.9/);
  failing(`${LEAST}max_gmacs: -1\n`, 'FORMAT_MALFORMED', /: max_gmacs: found -1, expected >0/);
  failing(
    `${LEAST}transform: { crop_ratio: wide }\n`,
    'FORMAT_MALFORMED',
    /transform\.crop_ratio: found "wide", expected a number/,
  );
  failing(`${LEAST}include: [mean]\n`, 'FORMAT_MALFORMED', /include\[0\]: found "mean", expected one of last/);
  failing(`${LEAST}device: gpu\n`, 'FORMAT_MALFORMED', /device: found "gpu", expected auto, cpu, cuda/);
  failing(LEAST.replace('recipe: 1', 'recipe: 2'), 'FORMAT_MALFORMED', /: recipe: found 2, expected 1/);
  failing(
    'recipe: 1\nversion: 0.1.0\ninputs: { paths: [run/] }\n',
    'FORMAT_MALFORMED',
    /: val: found nothing, expected a mapping/,
  );
});

test('a key that is not known is an error, with the one that is near', () => {
  failing(`${LEAST}max_gmac: 1\n`, 'FORMAT_MALFORMED', /max_gmac: no such key Did you mean max_gmacs\?/);
  failing(
    LEAST.replace('{ paths:', '{ pattrn: x, paths:'),
    'FORMAT_MALFORMED',
    /inputs\.pattrn: no such key Did you mean pattern\?/,
  );
  failing(LEAST.replace('{ source: val/', '{ lables: x, source: val/'), 'FORMAT_MALFORMED', /val\.lables.*labels/);
  failing(`${LEAST}maxGmacs: 1\n`, 'FORMAT_MALFORMED', /max_gmacs|maxGmacs/);
  failing(`${LEAST}zzzzzzzzzzzz: 1\n`, 'FORMAT_MALFORMED', /Known here: recipe, version, inputs/);
});

test('hostile files: keys of prototypes, depth, size, aliases, two of a key, no YAML, no mapping', () => {
  failing(`${LEAST}__proto__: { polluted: 1 }\n`, 'FORMAT_MALFORMED', /no such key/);
  failing(`${LEAST}constructor: 1\n`, 'FORMAT_MALFORMED', /constructor: no such key/);
  assert.equal(Object.hasOwn(Object.prototype, 'polluted'), false);
  failing(`${LEAST}sizes: ${'['.repeat(100_000)}${']'.repeat(100_000)}\n`, 'FORMAT_LIMIT', /deep/);
  failing(`${LEAST}sizes: ${'{a: '.repeat(1000)}`, 'FORMAT_LIMIT', /deep/);
  failing(`a:\n${Array.from({ length: 500 }, (_, i) => `${' '.repeat(i + 1)}a:`).join('\n')}`, 'FORMAT_LIMIT', /deep/);
  failing(`${'- '.repeat(5000)}a\n`, 'FORMAT_LIMIT', /deep/);
  failing(`a: &x [1]\nb: [*x, *x]\n${LEAST}`, 'FORMAT_MALFORMED', /aliases/);
  failing(`${LEAST}seed: 1\nseed: 2\n`, 'FORMAT_MALFORMED', /seed is there twice/);
  failing('a: b: c\n', 'FORMAT_MALFORMED', /./);
  failing('just text\n', 'FORMAT_MALFORMED', /found "just text", expected a mapping/);
  failing('', 'FORMAT_MALFORMED', /found null, expected a mapping/);
  failing(`${LEAST}seed: !!js/function 'x'\n`, 'FORMAT_MALFORMED', /./);
  failing(`${LEAST}${'#'.repeat(3 << 20)}\n`, 'FORMAT_LIMIT', /bytes/);
  assertFails(() => readYaml(join(folder, 'none.yaml')), 'INPUT_NOT_FOUND');
  assertFails(() => readYaml(folder), 'INPUT_UNREADABLE');
});

test('many keys are looked through once', () => {
  const keys = Array.from({ length: 20_000 }, (_, i) => `k${i}: 1`).join('\n');
  const began = performance.now();
  failing(`${LEAST}${keys}\n`, 'FORMAT_MALFORMED', /no such key/);
  assert.ok(performance.now() - began < 20_000);
});

test('values that are no plain data are refused, not coerced', () => {
  const error = assertFails(
    () => parseRecipe('r', { recipe: 1, version: '1', inputs: { paths: 'run/' }, val: [] }),
    'FORMAT_MALFORMED',
  );
  assert.match(error.message, /inputs\.paths: found "run\/", expected a list/);
});
