import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ONNX_TEMPER } from '../../../../../cli/commands.ts';
import type { Command } from '../../../../../cli/shared/command.ts';
import { INPUTS, OUTPUTS, SHAPELESS } from '../../../../../cli/shared/made/option-roles.ts';

/** Options whose values are texts as they stand: words, patterns, names of columns and tensors. */
const WORDS =
  /^(pattern|metric|base|state|split|(.*-)?(path|label)-column|input|output|device|augment|reference-augment|gate|shard)$/;

const allCommands = ({ subcommands }: Command): Command[] => subcommands.flatMap((one) => [one, ...allCommands(one)]);

test('of every command with outputs each option that is a text is an input, an output, a word, or shapes nothing', async () => {
  const known = new Set([...Object.keys(INPUTS), ...OUTPUTS, ...SHAPELESS]);
  let seen = 0;
  for (const { name, spec } of allCommands(ONNX_TEMPER)) {
    const { positionals, options } = await spec();
    if (!('skip-existing' in options)) continue;
    seen++;
    const texts = Object.entries({ ...positionals, ...options }).filter(
      ([, { type, coerce, choices }]) => type === 'string' && coerce === undefined && choices === undefined,
    );
    const unknown = texts.map(([option]) => option).filter((option) => !known.has(option) && !WORDS.test(option));
    assert.deepEqual(unknown, [], `${name}: say in option-roles.ts what they are`);
  }
  assert.equal(seen, 14);
});
