/** What runs of finish take from each other: steps of a shared work folder, and latencies of a recipe. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { COMMON, finish, TRAIN, VAL, WORST_LAST } from '../support/run-finish.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();
const at = (...names: readonly string[]): string => join(root, ...names);
const FEW = [...WORST_LAST, ...VAL, '--val-rows', '0:400', ...TRAIN, '--train-rows', '0:40', ...COMMON];

interface Results {
  readonly measured: { readonly steps: readonly { readonly step: string; readonly seconds: number }[] };
  readonly tried: { readonly size: readonly { readonly row: string; readonly over_budget?: string }[] };
  readonly measured_tried: { readonly size: readonly { readonly latency_ratio?: number }[] };
}
const results = (folder: string): Results => JSON.parse(readFileSync(at(folder, 'results.json'), 'utf8')) as Results;

function done(out: string, ...args: readonly string[]): void {
  const run = finish(...args, '--out-dir', at(out));
  assert.ok(run.status === 0 || run.status === 1, run.stderr);
}

/** The steps that were run, and not taken from the work folder. */
const ran = (folder: string): string[] =>
  results(folder).measured.steps.flatMap(({ step, seconds }) => (seconds > 0 ? [step] : []));

test('two recipes that differ in one option share the steps that do not depend on it', () => {
  done('first', ...FEW, '--sizes', '1x,1.2x', '--work', at('work'));
  assert.deepEqual(ran('first'), ['average', 'size', 'calibration']);
  const recipe = ['--recipe', at('first', 'recipe.yaml'), '--work', at('work')];
  const cases: readonly (readonly [option: readonly string[], reruns: readonly string[]])[] = [
    [['--no-calibrate'], []],
    [['--write-config'], []],
    [['--no-sizes'], []],
    [['--sizes', '1x,1.3x'], ['size']],
    // The search goes on from its kept evaluations; the average's record says what it was chosen from: another file, for the steps behind it.
    [
      ['--include', 'last,ema'],
      ['average', 'size', 'calibration'],
    ],
    [
      ['--seed', '1'],
      ['average', 'size', 'calibration'],
    ],
  ];
  for (const [i, [option, reruns]] of cases.entries()) {
    done(`other-${i}`, ...recipe, ...option);
    assert.deepEqual(ran(`other-${i}`), reruns, option.join(' '));
  }
});

test('a latency that chose is kept in the recipe, and not measured again', () => {
  done('timed', ...FEW, '--no-bn', '--no-calibrate', '--sizes', '1x,1.2x', '--max-latency-ratio', '1000');
  const text = readFileSync(at('timed', 'recipe.yaml'), 'utf8');
  const { made } = parse(text) as { made: { latency_ratios: { row: string; ratio: number }[] } };
  assert.deepEqual(
    made.latency_ratios.map(({ row }) => row),
    ['20 px', '24 px'],
  );
  done('timed-again', '--recipe', at('timed', 'recipe.yaml'));
  for (const name of ['model.onnx', 'recipe.yaml'])
    assert.deepEqual(readFileSync(at('timed-again', name)), readFileSync(at('timed', name)), name);
  // Were it measured again, 24 px would be within the budget.
  const slow = text.replace(/(- row: 24 px\n\s*ratio: )\S+/, '$12000.5');
  assert.notEqual(slow, text);
  writeFileSync(at('slow.yaml'), slow);
  done('slow', '--recipe', at('slow.yaml'));
  const { tried, measured_tried: measured } = results('slow');
  assert.deepEqual(
    tried.size.map(({ row, over_budget: over }) => [row, over]),
    [
      ['20 px', undefined],
      ['24 px', '2000.50 times as slow, over 1000'],
    ],
  );
  assert.equal(measured.size[1]?.latency_ratio, 2000.5);
  assert.equal(readFileSync(at('slow', 'recipe.yaml'), 'utf8').match(/2000\.5/g)?.length, 1);
});
