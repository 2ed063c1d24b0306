import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { outputPaths } from '../../../src/average/output-paths.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { assertFails } from './candidates.ts';

const root = tempFolder();
const file = join(root, 'file');
const folder = join(root, 'folder');
writeFileSync(file, '');
mkdirSync(folder);

test('one average goes into the file named, several into files of a folder named by the average', () => {
  assert.deepEqual(outputPaths(['uniform'], { out: 'swa.bin' }), ['swa.bin']);
  assert.deepEqual(outputPaths(['a', 'b'], { outDir: 'new' }), [join('new', 'a.onnx'), join('new', 'b.onnx')]);
  assert.deepEqual(outputPaths(['a'], { outDir: folder }), [join(folder, 'a.onnx')]);
});

test('outputs that cannot be meant are usage errors with what to type instead', () => {
  const cases: readonly [string[], Parameters<typeof outputPaths>[1], readonly RegExp[]][] = [
    [['a'], {}, [/no output is named/, /`out` swa\.onnx/]],
    [['a'], { out: '' }, [/no output is named/]],
    [['a'], { out: 'x', outDir: 'y' }, [/exclude each other/]],
    [['a', 'b'], { out: 'swa.onnx' }, [/make 2 averages/, /`outDir` swa instead.*a\.onnx, b\.onnx/]],
    [['a'], { out: folder }, [/is a folder/, new RegExp(`\`outDir\` ${folder} instead`), /folder\/a\.onnx$/m]],
    [['a'], { out: '.' }, [/`outDir` \. instead/, /`out` a\.onnx$/m]],
    [['a'], { outDir: file }, [/is a file, expected a folder/, new RegExp(`\`out\` ${file} for one`)]],
  ];
  for (const [names, targets, patterns] of cases) assertFails('USAGE', patterns, () => outputPaths(names, targets));
});

test('a name that no file can have is refused before anything is averaged', () => {
  for (const out of [`${'x'.repeat(252)}.onnx`, join(folder, 'new.onnx/'), '/dev/stdout'])
    assertFails('USAGE', [], () => outputPaths(['uniform'], { out }));
  assert.deepEqual(outputPaths(['uniform'], { out: `${'x'.repeat(250)}.onnx` }), [`${'x'.repeat(250)}.onnx`]);
});
