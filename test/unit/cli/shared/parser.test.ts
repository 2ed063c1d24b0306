import assert from 'node:assert/strict';
import { test } from 'node:test';
import { command, describeCommand } from '../../../../cli/shared/command.ts';
import { candidates } from '../../../../cli/shared/completion.ts';
import { grouped, numberList, wholeNumber } from '../../../../cli/shared/option-values.ts';
import { called, parse } from '../../../../cli/shared/parser.ts';
import { TRANSFORM } from '../../../../cli/shared/transform-options.ts';
import { TemperError } from '../../../../src/core/index.ts';

const SPEC = describeCommand({
  usage: '<models..>',
  positionals: { models: { type: 'string', array: true, demandOption: true, describe: 'Models' } },
  options: grouped('Options:', {
    size: { type: 'string', alias: ['img-size'], describe: 'Size', coerce: wholeNumber('size', 1) },
    decay: { type: 'string', describe: 'Decays', coerce: numberList('decay') },
    method: { choices: ['uniform', 'ema'], describe: 'Method' },
    csv: { type: 'string', describe: 'Table' },
    json: { type: 'boolean', default: false, describe: 'JSON' },
  } as const),
  examples: [['$0 a.onnx --size 224', 'what it is for']],
  epilogue: 'The end.',
});
const sub = command(
  'merge',
  'Merge',
  async () => SPEC,
  async () => async () => 0,
);
const root = command(
  'tool',
  'A tool',
  async () => SPEC,
  async () => async () => 0,
  [sub],
);

async function argumentsOf(...words: string[]): Promise<Readonly<Record<string, unknown>>> {
  const asked = await parse(called(root, words), SPEC);
  assert.equal(asked.kind, 'run');
  return asked.kind === 'run' ? asked.args : {};
}

async function refused(...words: string[]): Promise<TemperError> {
  try {
    await argumentsOf(...words);
  } catch (error) {
    assert.ok(error instanceof TemperError);
    assert.equal(error.code, 'USAGE');
    return error;
  }
  throw new Error(`${words.join(' ')} is accepted`);
}

test('options are parsed by their own rules, under their own names', async () => {
  const args = await argumentsOf('007', '--img-size', '224', '--decay', '0.9', '--decay', '0.99', '--method', 'EMA');
  assert.deepEqual(args, {
    models: ['007'],
    size: 224,
    decay: [0.9, 0.99],
    method: 'ema',
    csv: undefined,
    json: false,
  });
});

test('behind -- a path may begin with a dash', async () => {
  assert.deepEqual((await argumentsOf('--size', '8', '--', '-x.onnx', 'b')).models, ['./-x.onnx', 'b']);
});

test('unknown options, values and subcommands say what may have been meant', async () => {
  for (const [words, message, hint] of [
    [['m', '--szie', '3'], /no option --szie/, /Did you mean --size\?/],
    [['--szie'], /no option --szie/, /Did you mean --size\?/],
    [['m', '--results-file', 'r'], /no option --results-file/, /Use --csv/],
    [['m', '--num-classes', '3'], /no option --num-classes/, /read from the model/],
    [['m', '-o', 'x'], /no option -o/, /tool --help/],
    [['m', '--method', 'emma'], /--method emma: expected uniform, ema/, /--method ema\?/],
    [['mrege'], /does not take the word mrege/, /Did you mean tool merge\?/],
    [['m', '--csv', 'a', '--csv', 'b'], /--csv is given 2 times: a, b/, /Give it once/],
    [['m', '--size', '0'], /--size 0: expected a whole number from 1/, /tool --help/],
    [[], /^<models\.\.> is missing$/, /tool --help/],
    [['m', '--csv'], /^--csv needs a value$/, /tool --help/],
  ] as const) {
    const error = await refused(...words);
    assert.match(error.message, message);
    assert.match(error.hint ?? '', hint);
  }
  assert.match((await refused('merge', 'm', '--szie', '3')).hint ?? '', /tool merge --help/);
});

test('help breaks lines between words, and leaves examples whole, at 60, 80 and 120 columns', async () => {
  const { columns } = process.stdout;
  try {
    for (const width of [60, 80, 120]) {
      process.stdout.columns = width;
      const asked = await parse(called(root, ['--help']), SPEC);
      assert.ok(asked.kind === 'help');
      const [table, examples] = asked.text.split('\nExamples:\n') as [string, string];
      assert.ok(table.split('\n').every((line) => line.length <= width));
      assert.equal(examples, '  # what it is for\n  tool a.onnx --size 224\n');
      assert.match(table, /merge/);
    }
  } finally {
    process.stdout.columns = columns;
  }
});

test('completion offers flags, the values of an option that has few, subcommands; else files', () => {
  const after = (...words: string[]): string[] => candidates(root, SPEC, words.slice(0, -1), words.at(-1) ?? '');
  assert.deepEqual(after('m', '--si'), ['--size']);
  assert.ok(after('m', '--').includes('--img-size') && after('m', '--').includes('--help'));
  assert.deepEqual(after('m', '--method', ''), ['uniform', 'ema']);
  assert.deepEqual(after('m', '--method', 'e'), ['ema']);
  assert.deepEqual(after('m', '--csv', ''), []);
  assert.deepEqual(after('me'), ['merge']);
  assert.deepEqual(after(''), []);
});

test('numbers behind --mean and --std are its channels, at most three; the option again is the next model', async () => {
  const spec = describeCommand({
    usage: '<models..>',
    positionals: { models: { type: 'string', array: true, demandOption: true, describe: 'Models' } },
    options: { mean: TRANSFORM.mean, std: TRANSFORM.std },
    examples: [],
  });
  const parsed = async (text: string): Promise<unknown> => {
    const asked = await parse(called(root, text.split(' ')), spec);
    return asked.kind === 'run' && asked.args;
  };
  const models = ['a.onnx'];
  const three = [[0.485, 0.456, 0.406]];
  for (const [text, expected] of [
    ['a.onnx --mean 0.485 0.456 0.406 --std 0.2', { models, mean: three, std: [[0.2]] }],
    ['--mean 0.485 0.456 0.406 a.onnx', { models, mean: three, std: undefined }],
    ['--mean=0.485 0.456 .406 a.onnx', { models, mean: three, std: undefined }],
    ['--mean 0.485,0.456,0.406 a.onnx', { models, mean: three, std: undefined }],
    ['--mean 0.5 a.onnx --mean 0 -0.1 .1', { models, mean: [[0.5], [0, -0.1, 0.1]], std: undefined }],
    ['--mean 0 0 0 7 --std 1', { models: ['7'], mean: [[0, 0, 0]], std: [[1]] }],
  ] as const) {
    assert.deepEqual(await parsed(text), expected, text);
  }
  await assert.rejects(parsed('a.onnx --mean --std 1'), /mean/);
});
