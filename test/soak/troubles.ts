/** What is done to whole commands, and what must hold afterwards. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, truncateSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Int } from '../support/hostile/target.ts';
import {
  type Disturbance,
  type Ended,
  filesIn,
  type Reference,
  restoreInputs,
  runCommand,
  type SoakCommand,
} from './commands.ts';

const CLOCK = fileURLToPath(new URL('./jumping-clock.js', import.meta.url));

interface Setting {
  readonly int: Int;
  /** Where the command writes. */
  readonly folder: string;
  readonly words: readonly string[];
  readonly command: SoakCommand;
  readonly whole: Reference;
}

/** One disturbed run: words and folder may be others than the command's own. */
interface Trouble {
  /** What may end it other than an exit code with a meaning. */
  readonly mayDieOf?: readonly string[];
  readonly run: (setting: Setting) => Promise<readonly Ended[]>;
}

const disturbed =
  (make: (int: Int, whole: Reference) => Disturbance) =>
  async ({ int, words, whole }: Setting): Promise<readonly Ended[]> => [await runCommand(words, make(int, whole))];

const killed = (signal: NodeJS.Signals): Trouble => ({
  mayDieOf: [signal],
  run: disturbed((int, { ms }) => ({ kill: { signal, afterMs: int(Math.round(ms * 1.1)) } })),
});

/** One of the inputs is cut short or touched while the command runs. */
async function changedInput({ int, command, words, whole }: Setting): Promise<readonly Ended[]> {
  const copies = [...command.inputs.keys()];
  const victim = copies[int(copies.length)] as string;
  const act = (): void => (int(2) ? truncateSync(victim, int(4000)) : utimesSync(victim, int(1e9), int(1e9)));
  try {
    return [await runCommand(words, { meanwhile: { afterMs: int(whole.ms), act } })];
  } finally {
    restoreInputs(command);
  }
}

/** A file system of a few hundred kilobytes, where this user may mount one. */
async function fullDisk(setting: Setting): Promise<readonly Ended[]> {
  const { int, folder, words, whole } = setting;
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${(1 + int(90)) * 4}k`, 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    return disturbed((n) => ({ limits: `ulimit -f ${n(600)}` }))(setting);
  }
  try {
    const ended = await runCommand(words);
    const found = filesIn(folder);
    // A store keeps its whole parts; what else is there is whole too.
    for (const [name, hash] of Object.entries(found.files).filter(([name]) => !GROWS.test(name)))
      assert.equal(hash, whole.files[name], `${name} is half-written`);
    if (ended.code === undefined || ended.code !== 0) assert.deepEqual(found.temporary, [], 'temporaries are left');
    return [ended];
  } finally {
    execFileSync('umount', [folder]);
  }
}

export const TROUBLES: Readonly<Record<string, Trouble>> = {
  SIGKILL: killed('SIGKILL'),
  SIGTERM: killed('SIGTERM'),
  SIGINT: killed('SIGINT'),
  'full disk': { run: fullDisk },
  'small files only': { run: disturbed((int) => ({ limits: `ulimit -f ${int(600)}` })) },
  'few descriptors': { run: disturbed((int) => ({ limits: `ulimit -n ${14 + int(40)}` })) },
  // V8 aborts where its heap is used up: nothing can be said then, and nothing may be half-written.
  'little heap': {
    mayDieOf: ['SIGABRT'],
    run: disturbed((int) => ({ nodeOptions: [`--max-old-space-size=${8 + int(40)}`] })),
  },
  'little address space': {
    mayDieOf: ['SIGABRT', 'SIGTRAP', 'SIGSEGV', 'SIGILL'],
    run: disturbed((int) => ({ limits: `ulimit -v ${(600 + int(3000)) * 1024}` })),
  },
  'a clock that jumps': { run: disturbed((int) => ({ nodeOptions: [`--import=${CLOCK}?seed=${int(1e6)}`] })) },
  'two at once': { run: ({ words }) => Promise.all([runCommand(words), runCommand(words)]) },
  'an input that changes': { run: changedInput },
};

/** Caches, which are appended to: a search that is cut short goes on behind the last whole line. */
const GROWS = /\.jsonl$/;

/** Codes that say what happened (src/core/errors.ts); 70 is a bug. */
const MEANT = new Set([0, 1, 2, 3, 4, 5, 6, 7, 8, 130]);

function outcomeOf({ code, signal, stderr }: Ended, mayDieOf: readonly string[]): string {
  assert.ok(!stderr.startsWith('hangs'), stderr);
  // A shell says 128 + n of a signal.
  if (signal !== undefined || (code !== undefined && code > 130)) {
    const name =
      signal ?? { 132: 'SIGILL', 133: 'SIGTRAP', 134: 'SIGABRT', 139: 'SIGSEGV' }[code as number] ?? `exit ${code}`;
    assert.ok(mayDieOf.includes(name), `ended by ${name}: ${stderr}`);
    return name;
  }
  assert.ok(MEANT.has(code as number), `exit ${code}: ${stderr}`);
  assert.ok(code === 0 || code === 1 || /error: /.test(stderr), `exit ${code} without a message: ${stderr}`);
  return code === 0 ? 'right' : `exit ${code}`;
}

/**
 * Disturbs a command, and runs it once more undisturbed: what is there in between is whole or absent, and what is there at the end is what an
 * undisturbed run writes. @returns the outcome of each disturbed run
 */
export async function trouble(
  name: string,
  command: SoakCommand,
  whole: Reference,
  root: string,
  int: Int,
): Promise<string[]> {
  const folder = join(root, 'out');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const words = [...command.words, ...command.outputs(folder), '--quiet'];
  const { run, mayDieOf = [] } = TROUBLES[name] as Trouble;
  const outcomes = (await run({ int, folder, words, command, whole })).map((ended) => outcomeOf(ended, mayDieOf));
  const between = filesIn(folder);
  for (const [file, hash] of Object.entries(between.files)) {
    // A store of a run that is cut short has whole parts; what fix-res and others keep for a second run is theirs.
    if (whole.files[file] !== undefined && !GROWS.test(file))
      assert.equal(hash, whole.files[file], `${file} is half-written`);
  }
  if (!outcomes.some((outcome) => mayDieOf.includes(outcome)))
    assert.deepEqual(between.temporary, [], 'temporaries are left');
  if (outcomes.includes('right'))
    assert.deepEqual(between.files, whole.files, 'a run that ended well wrote other bytes');
  const isStore = existsSync(join(folder, 'store'));
  const again = await runCommand([...words, ...(isStore ? [] : ['--force'])]);
  // A store that is complete is not made again, and says so.
  const isComplete = isStore && Object.keys(whole.files).every((file) => between.files[file] === whole.files[file]);
  assert.equal(again.code, isComplete ? 3 : 0, `the next run: ${again.stderr}`);
  assert.deepEqual(
    filesIn(folder),
    { files: whole.files, temporary: [] },
    'the next run left other bytes, or temporaries',
  );
  return outcomes;
}
