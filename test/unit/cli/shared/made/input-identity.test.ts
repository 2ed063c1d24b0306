import assert from 'node:assert/strict';
import {
  closeSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  openSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { identityOf, type Reading } from '../../../../../cli/shared/made/input-identity.ts';
import type { InputKind } from '../../../../../cli/shared/made/option-roles.ts';
import { SNAPSHOTS } from '../../../../support/fashion.ts';
import { tempFolder } from '../../../../support/temp-folder.ts';

const NOTHING: Reading = { own: new Set() };
const identity = async (value: unknown, kind: InputKind, reading: Partial<Reading> = {}): Promise<string> =>
  JSON.stringify(await identityOf(value, kind, { ...NOTHING, ...reading }));

test('a folder is its names, sizes and bytes: not its place, not its times, not what the command wrote into it', async () => {
  const root = tempFolder();
  const [a, b] = [join(root, 'a'), join(root, 'b')];
  mkdirSync(join(a, 'cat'), { recursive: true });
  for (const name of ['0.png', '1.png']) writeFileSync(join(a, 'cat', name), name);
  cpSync(a, b, { recursive: true });
  utimesSync(join(b, 'cat', '0.png'), 1, 1);
  const first = await identity(a, 'data');
  assert.equal(await identity(b, 'data'), first);
  writeFileSync(join(b, 'x.csv'), 'table');
  assert.notEqual(await identity(b, 'data'), first);
  assert.equal(await identity(b, 'data', { own: new Set([resolve(b, 'x.csv')]) }), first);
  rmSync(join(b, 'x.csv'));
  writeFileSync(join(b, 'cat', '0.png'), '1.png');
  assert.notEqual(await identity(b, 'data'), first);
  cpSync(join(a, 'cat'), join(b, 'dog'), { recursive: true });
  rmSync(join(b, 'cat'), { recursive: true });
  assert.notEqual(await identity(b, 'data'), first);
});

test('of more than a gibibyte blocks are read, at even distances: a block, and the length, tell', async () => {
  const path = join(tempFolder(), 'large.npy');
  writeFileSync(path, '');
  const bytes = 2 ** 30 + 2 ** 20;
  truncateSync(path, bytes);
  const first = await identity(path, 'data');
  assert.match(first, /blocks_sha256/);
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.from('x'), 0, 1, Math.floor(bytes / 1024) * 700 + 5);
  closeSync(file);
  assert.notEqual(await identity(path, 'data'), first);
  truncateSync(path, bytes - 1);
  assert.notEqual(await identity(path, 'data'), first);
});

test('a model is its name, its bytes, and the configurations beside it, but for those that the command wrote', async () => {
  const folder = tempFolder();
  const path = join(folder, 'm.onnx');
  copyFileSync(SNAPSHOTS[0] as string, path);
  const first = await identity(path, 'model');
  const config = join(folder, 'preprocessor_config.json');
  writeFileSync(config, '{}');
  assert.notEqual(await identity(path, 'model'), first);
  assert.equal(await identity(path, 'model', { own: new Set([config]) }), first);
  rmSync(config);
  copyFileSync(path, join(folder, 'n.onnx'));
  assert.notEqual(await identity(join(folder, 'n.onnx'), 'model'), first);
});

test('snapshots are told apart by their order where the user gives it, or where it is that of their times', async () => {
  const folder = tempFolder();
  const [a, b] = [join(folder, 'a.onnx'), join(folder, 'b.onnx')];
  copyFileSync(SNAPSHOTS[0] as string, a);
  copyFileSync(SNAPSHOTS[1] as string, b);
  const natural = await identity([a, b], 'snapshots');
  assert.equal(await identity([b, a], 'snapshots'), natural);
  assert.equal(await identity([folder], 'snapshots'), natural);
  assert.notEqual(await identity([b, a], 'snapshots', { order: 'list' }), natural);
  utimesSync(a, 2, 2);
  utimesSync(b, 1, 1);
  assert.notEqual(await identity([a, b], 'snapshots', { order: 'mtime' }), natural);
});

test('inputs under names are each what they hold: another name, or another byte of one, tells', async () => {
  const folder = tempFolder();
  const [a, b] = [join(folder, 'a'), join(folder, 'b')];
  writeFileSync(a, 'a');
  writeFileSync(b, 'b');
  const sets = (...named: (readonly [string, string])[]) => identity(new Map(named), 'data');
  const first = await sets(['v2', a], ['r', b]);
  assert.notEqual(await sets(['v3', a], ['r', b]), first);
  writeFileSync(b, 'c');
  assert.notEqual(await sets(['v2', a], ['r', b]), first);
});

test('words that name no file stand for themselves', async () => {
  assert.equal(await identity('none', 'file'), '"none"');
  assert.equal(await identity([0.25, 0.75], 'file'), '[0.25,0.75]');
  await assert.rejects(identity(join(tempFolder(), 'nothing'), 'data'), { code: 'INPUT_NOT_FOUND' });
});
