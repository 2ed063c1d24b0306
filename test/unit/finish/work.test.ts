import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertFolder, claim, endRun, isOwn, resumable, sweepEnded } from '../../../src/finish/work.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
interface Numbered {
  readonly n: number;
}
const is = (value: unknown): value is Numbered => typeof value === 'object' && value !== null && 'n' in value;

test('what was done before is taken, unless a file that it names is not what it was', async () => {
  let runs = 0;
  const work = (whole: boolean) =>
    resumable(
      root,
      'step',
      ['key'],
      is,
      () => Promise.resolve({ n: ++runs }),
      () => Promise.resolve(whole),
    );
  assert.equal((await work(true)).record.n, 1);
  assert.equal((await work(true)).record.n, 1);
  assert.equal((await work(false)).record.n, 2);
});

test('a record that a kill cut short is made again', async () => {
  const { folder } = await resumable(root, 'cut', 1, is, () => Promise.resolve({ n: 1 }));
  writeFileSync(join(folder, 'record.json'), '{"n":');
  assert.equal((await resumable(root, 'cut', 1, is, () => Promise.resolve({ n: 2 }))).record.n, 2);
});

test('a run that has ended leaves nothing, killed while it clears up or not', () => {
  const out = join(root, 'out');
  mkdirSync(out);
  claim(out, 'run');
  assert.ok(isOwn(out, 'run'));
  assert.ok(!isOwn(out, 'another'));
  endRun(out);
  assert.ok(!existsSync(join(out, '.steps')) && !existsSync(join(out, '.steps.done')));
  mkdirSync(join(out, '.steps.done'));
  sweepEnded(out);
  assert.ok(!existsSync(join(out, '.steps.done')));
});

test('an output folder that is a file is refused with the remedy', () => {
  const path = join(root, 'file');
  writeFileSync(path, '');
  assert.throws(() => assertFolder(path), { code: 'OUTPUT_EXISTS', exitCode: 3, hint: /another folder/ });
  assertFolder(join(root, 'absent'));
});
