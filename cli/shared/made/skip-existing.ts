import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { sha256OfFile, TemperError } from '../../../src/core/index.ts';
import type { Terminal } from '../terminal.ts';
import { type MadeFrom, madeFrom, otherThan } from './made-from.ts';
import { type MadeAgain, makeAgain, type Ran, watched } from './make-again.ts';
import { isThere, type NamedOutput, namedOutputs } from './named-outputs.ts';
import { type Arguments, FOLDERS } from './option-roles.ts';
import { pathFrom, pathIn, type Receipt, readReceipt, receiptPath, writeReceipt } from './receipt.ts';

/** A command that is about to run. */
export interface Call {
  /** Its words, without the program that has all commands. */
  readonly command: string;
  readonly args: Arguments;
  /** Names of its positionals. */
  readonly positionals: readonly string[];
  readonly terminal: Terminal;
  readonly start: (args: Arguments, terminal: Terminal) => Promise<number>;
}

const REMEDY = 'Choose another name, or give --force in place of --skip-existing to replace it.';

function exists(path: string, what: string, details: Readonly<Record<string, unknown>> = {}): TemperError {
  return new TemperError('OUTPUT_EXISTS', `${path}: the output exists already, and ${what}`, {
    hint: REMEDY,
    details: { path, ...details },
  });
}

interface Compared {
  /** Outputs of the receipt that are not there. */
  readonly missing: readonly string[];
  /** The receipt is of files that others have taken the place of: it says nothing of these. */
  readonly isStale: boolean;
}

/** @throws TemperError OUTPUT_EXISTS with the first field that differs, or for a file that was changed */
async function compared(path: string, receipt: Receipt, made: MadeFrom, call: Call): Promise<Compared> {
  const missing: string[] = [];
  let changed: TemperError | undefined;
  let unchanged = path;
  for (const { path: name, bytes, sha256 } of receipt.outputs) {
    const file = pathFrom(path, name);
    const stat = statSync(file, { throwIfNoEntry: false });
    if (!stat) missing.push(file);
    else if (!stat.isFile() || stat.size !== bytes || (await sha256OfFile(file)) !== sha256)
      changed ??= exists(file, 'was changed after it was written', { field: 'sha256', expected: sha256 });
    else unchanged = unchanged === path ? file : unchanged;
  }
  const other = otherThan(receipt.made_from, made, call.positionals);
  if (other && changed) return { missing, isStale: true };
  if (changed) throw changed;
  if (!other) return { missing, isStale: false };
  const { field, found, expected, text } = other;
  throw exists(unchanged, `was made from something else: ${text}`, { field, found, expected });
}

/** What is kept of a run, beside its first output; nothing of one that wrote nothing, or has not come to its end. */
function keep(
  receipt: string,
  made: MadeFrom,
  outputs: readonly NamedOutput[],
  { files, code }: Ran,
  call: Call,
): void {
  const unfinished = outputs.some((one) => one.isFolder && FOLDERS[call.command]?.last && !isThere(call.command, one));
  // Workers share a folder: its parts know what they were made from.
  const shared = call.args.shard !== undefined && outputs.some(({ isFolder }) => isFolder);
  if (files.length === 0 || unfinished || shared) return;
  const known = files.map((file) => ({ ...file, path: pathIn(receipt, file.path) }));
  writeReceipt(receipt, {
    tool: 'onnx-temper',
    made_from: made,
    named: outputs.map(({ path }) => pathIn(receipt, path)),
    outputs: known.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    exit_code: code,
  });
}

function show(skipped: readonly string[], made: readonly string[], { terminal }: Call): void {
  terminal.note(`${skipped.join(', ')}: already there, made from the same`);
  for (const path of made) terminal.wrote(path, 'was missing');
  terminal.print(made.length > 0 ? { skipped, made } : { skipped }, '', String);
}

/** Makes everything again to compare what is there, and to place what is not. */
async function compareAgain(
  receipt: string,
  made: MadeFrom,
  outputs: readonly NamedOutput[],
  call: Call,
): Promise<number> {
  const again: MadeAgain = await makeAgain(call.start, call.args, outputs, call.terminal);
  keep(receipt, made, outputs, again, call);
  const named = outputs.map(({ path }) => path);
  const isPlaced = new Set(again.placed.map((path) => resolve(path)));
  const placed = named.filter((path) => isPlaced.has(resolve(path)));
  show(
    named.filter((path) => !placed.includes(path)),
    again.placed,
    call,
  );
  return again.code;
}

/**
 * Runs a command only if its outputs are not there. Those that are there must be made from the same inputs and options: by the receipt that
 * a run with `--skip-existing` leaves beside its first output, or, without one, by making them again and comparing bytes.
 * @returns the exit code, of a run that is skipped that of the run that was
 * @throws TemperError USAGE beside `--force`; OUTPUT_EXISTS for outputs of something else, or that were changed; what the command throws
 */
export async function skipExisting(call: Call): Promise<number> {
  const { command, args, terminal, start } = call;
  if (args.force === true) {
    throw new TemperError('USAGE', '--force replaces outputs that exist, --skip-existing keeps them', {
      hint: 'Give one of them.',
    });
  }
  const outputs = namedOutputs(command, args);
  const [first] = outputs;
  if (first === undefined || args['dry-run'] === true) return start(args, terminal);
  const path = receiptPath(first.path);
  const receipt = readReceipt(path);
  const there = outputs.filter((output) => isThere(command, output));
  const own = [path, ...(receipt?.outputs.map(({ path: name }) => pathFrom(path, name)) ?? [])];
  const made = await madeFrom(command, args, terminal, own);
  const run = async (): Promise<number> => {
    const ran = await watched(() => start(args, terminal), outputs);
    keep(path, made, outputs, ran, call);
    return ran.code;
  };
  if (receipt && own.slice(1).some((file) => existsSync(file))) {
    const { missing, isStale } = await compared(path, receipt, made, call);
    const unknown = outputs.filter((output) => !receipt.named.includes(pathIn(path, output.path)));
    if (!isStale && missing.length + unknown.length > 0) return compareAgain(path, made, outputs, call);
    if (!isStale) {
      const named = outputs.map((output) => output.path);
      show(named, [], call);
      return receipt.exit_code;
    }
  }
  if (there.length === 0) return run();
  const [one] = there as [NamedOutput];
  if (FOLDERS[command]?.timed)
    throw exists(one.path, 'nothing says what it was made from: it was written without --skip-existing');
  terminal.note(`${one.path}: nothing says what it was made from, so it is made again and compared`);
  return compareAgain(path, made, outputs, call);
}
