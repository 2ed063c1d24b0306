/** Examples can be copied and run: in the documents, and in the help of every command. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ONNX_TEMPER } from '../../../cli/commands.ts';
import { called, parse } from '../../../cli/shared/parser.ts';
import { allCommands } from '../../support/all-commands.ts';
import { shellWords } from '../../support/shell-words.ts';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const DOCUMENTS = [
  'README.md',
  'cli/jobs/README.md',
  ...readdirSync(`${ROOT}docs`)
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

interface Example {
  readonly where: string;
  readonly line: string;
}

/** The lines of fenced blocks that call a program with npx; a backslash at the end joins lines. */
function examplesOf(document: string): Example[] {
  const text = readFileSync(`${ROOT}${document}`, 'utf8');
  return [...text.matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, block = '']) =>
    block
      .replaceAll('\\\n', ' ')
      .split('\n')
      .filter((line) => line.startsWith('npx '))
      .map((line) => ({ where: document, line: line.slice('npx '.length) })),
  );
}

/** Parses the words as the program would. @throws for options, values and subcommands that do not exist */
async function check({ where, line }: Example): Promise<void> {
  const words = shellWords(line);
  const found = called(ONNX_TEMPER, words[0] === ONNX_TEMPER.name ? words.slice(1) : words);
  assert.notEqual(found.command, ONNX_TEMPER, `${where}: ${line}: no such program`);
  if (found.words[0] === 'completion') return;
  try {
    await parse(found, await found.command.spec());
  } catch (error) {
    assert.fail(`${where}: ${line}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

test('commands in the documents name programs, subcommands, options and values that exist', async () => {
  const examples = DOCUMENTS.flatMap(examplesOf);
  assert.ok(examples.length > 40, `${examples.length} examples found`);
  for (const example of examples) await check(example);
});

test('every command shows examples in its help, which name options and values that exist', async () => {
  for (const { path, spec } of await allCommands()) {
    assert.ok(spec.examples.length > 0, `${path} has no example`);
    for (const [line] of spec.examples) await check({ where: `${path} --help`, line: line.replaceAll('$0', path) });
  }
});

test('an example that names nothing is found', async () => {
  for (const line of ['avg-kcpt run/', 'avg-ckpt run/ --outt a', 'avg-ckpt run/ --method swe', 'bn-recal mrege a'])
    await assert.rejects(check({ where: 'here', line }), /here: /);
});

test('a line is split as a shell splits it', () => {
  assert.deepEqual(shellWords(`eval-ckpt 'a b.onnx' --gate "top1>=\\"x\\"" c\\ d p-$I.csv # what for`), [
    'eval-ckpt',
    'a b.onnx',
    '--gate',
    'top1>="x"',
    'c d',
    'p-$I.csv',
  ]);
  assert.deepEqual(shellWords('a b > c.json'), ['a', 'b']);
  assert.throws(() => shellWords(`a 'b`), /not closed/);
});
