/** Options under the names that they had before, or have in timm and torchvision: they still mean the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from '../../../cli/shared/parser.ts';
import { allCommands, type NamedCommand } from '../../support/all-commands.ts';

/** The old name, a value, the new name, and what it is parsed to. */
type OldName = readonly [old: string, value: string, name: string, expected: unknown];

const RUNTIME: readonly OldName[] = [
  ['--batch-size', '32', 'batch', 32],
  ['-b', '32', 'batch', 32],
  ['-j', '3', 'workers', 3],
];
const size = { height: 24, width: 24 };
const TRANSFORM: readonly OldName[] = [
  ['--img-size', '24', 'size', [size]],
  ['--val-crop-size', '24', 'size', [size]],
  ['--val-resize-size', '28', 'resize', [28]],
  ['--crop-pct', '0.9', 'crop-ratio', [0.9]],
];
const images = (old: string, name: string): readonly OldName[] => [
  [`--${old}-data`, 'a/', name, 'a/'],
  [`--${old}-labels`, 'l.npy', `${name}-labels`, 'l.npy'],
  [`--${old}-rows`, '2:5', `${name}-rows`, { start: 2, end: 5 }],
  [`--${old}-limit`, '7', `${name}-limit`, 7],
];
const OUT: readonly OldName[] = [['--out', 't.csv', 'csv', 't.csv']];

const OLD_NAMES: Readonly<Record<string, readonly OldName[]>> = {
  'avg-ckpt search': [...images('bn', 'train'), ...TRANSFORM, ...RUNTIME],
  'avg-ckpt swag': [...images('bn', 'train'), ...TRANSFORM, ...RUNTIME],
  'eval-ckpt': [...OUT, ...TRANSFORM, ...RUNTIME],
  'bn-recal': [...images('guard', 'val'), ...TRANSFORM, ...RUNTIME],
  'bn-recal merge': [...images('guard', 'val'), ...TRANSFORM, ...RUNTIME],
  'teacher-logits': [...TRANSFORM, ...RUNTIME],
  'teacher-logits verify': [['-j', '3', 'workers', 3]],
  'teacher-logits score': [...OUT, ...TRANSFORM, ...RUNTIME],
  'res-sweep': [
    ...OUT,
    ...images('bn', 'train'),
    ['--crop-ratio', '0.875,1', 'crop-ratios', [0.875, 1]],
    ['--crop-pct', '0.9', 'crop-ratios', [0.9]],
    ['--interpolation', 'cubic', 'interpolations', ['bicubic']],
    ...RUNTIME,
  ],
  'fix-res': [
    ['--history', 'h.csv', 'csv', 'h.csv'],
    ['--transform', 'v1', 'train-transform', 'v1'],
    ['--transform', 'v2', 'train-transform', 'v2'],
    ...TRANSFORM,
    ...RUNTIME,
  ],
  calibrate: [...TRANSFORM, ...RUNTIME],
  finish: [...TRANSFORM, ...RUNTIME],
  inspect: TRANSFORM,
};

/** Words without which a command line is not parsed. */
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  'res-sweep': ['m.onnx', '--sizes', '20'],
  'bn-recal merge': ['m.safetensors', '--model', 'm.onnx'],
  'teacher-logits': ['m.onnx', '--out', 'targets/'],
  'teacher-logits score': ['targets/', '--student', 'm.onnx'],
};

async function argumentsOf({ path, command, spec }: NamedCommand, words: readonly string[]) {
  const asked = await parse({ path, command, words: [...(NEEDED[path] ?? ['m.onnx']), ...words] }, spec);
  assert.equal(asked.kind, 'run');
  return (asked.kind === 'run' ? asked.args : {}) as Readonly<Record<string, unknown>>;
}

test('an old name sets the option that has a new one', async () => {
  const commands = await allCommands();
  for (const [path, names] of Object.entries(OLD_NAMES)) {
    const found = commands.find((one) => one.path === path);
    assert.ok(found, path);
    for (const [old, value, name, expected] of names) {
      const args = await argumentsOf(found, [old, value]);
      assert.deepEqual(args[name], expected, `${path} ${old}`);
      assert.deepEqual(args, await argumentsOf(found, [`--${name}`, value]), `${path} ${old} is --${name}`);
    }
  }
});

test('every alias of every command is in the list above', async () => {
  for (const { path, spec } of await allCommands()) {
    const aliases = Object.values(spec.options).flatMap(({ alias = [] }) => [alias].flat());
    const tested = (OLD_NAMES[path] ?? []).map(([old]) => old.replace(/^--?/, ''));
    assert.deepEqual(
      aliases.filter((alias) => !tested.includes(alias)),
      [],
      path,
    );
  }
});
