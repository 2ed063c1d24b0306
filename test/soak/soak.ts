/**
 * Hours of hostility, bounded by MINUTES (default 5): files broken in every sort that is read (PART=files), and whole commands in trouble
 * (PART=commands). Every outcome is right or a typed error; anything else is printed with its seed, and its bytes are kept in CORPUS.
 *
 *   MINUTES=60 npm run test:soak
 *   ONLY="tars/small.tar" SEED=1234 npm run test:soak            one file again
 *   ONLY="SIGKILL/avg-ckpt" SEED=12 npm run test:soak            one command again
 *
 * Every target goes on where the last run ended, by the counts that are kept (COUNTS, a JSON file).
 */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededInts } from '../support/mutate-bytes.ts';
import { type Reference, reference, type SoakCommand, soakCommands } from './commands.ts';
import { addCounts, type KeptCounts, keptCounts, totalOf } from './counts.ts';
import type { BrokenFiles, Counts, FileFault } from './messages.ts';
import { runFiles } from './run-files.ts';
import { TROUBLES, trouble } from './troubles.ts';

const { MINUTES = '5', PART = 'both', ONLY, SEED, CASES = '1', COUNTS = 'test/soak/counts.json', CORPUS } = process.env;
const kept: KeptCounts = keptCounts(COUNTS);
const deadline = Date.now() + Number(MINUTES) * 60_000;
const corpus = CORPUS ?? join(tmpdir(), 'onnx-temper-soak');
const root = mkdtempSync(join(tmpdir(), 'onnx-temper-soak-'));
process.on('exit', () => rmSync(root, { recursive: true, force: true }));

const counts: Counts = {};
const faults = new Map<string, number>();

/** Where a fault comes from: the same place is printed once. */
const placeOf = ({ target, error }: FileFault): string => {
  const at = error.split('\n').find((line) => /^\s+at .*\/(src|cli)\//.test(line)) ?? error.split('\n')[0] ?? '';
  return `${target.split('/')[0]} ${at.trim()}`;
};

function keep(fault: FileFault): void {
  const place = placeOf(fault);
  const times = (faults.get(place) ?? 0) + 1;
  faults.set(place, times);
  if (times > 3) return;
  const bytes = Buffer.from(fault.bytes, 'base64');
  const folder = join(corpus, createHash('sha256').update(bytes).digest('hex').slice(0, 16));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, fault.file.replaceAll('/', '_')), bytes);
  const { bytes: _, ...said } = fault;
  writeFileSync(join(folder, 'fault.json'), `${JSON.stringify(said, null, 1)}\n`);
  console.error(`\nFAULT ${fault.target}, SEED=${fault.seed}: ${fault.what}\n${fault.error}\nkept in ${folder}\n`);
}

function told(message: BrokenFiles): void {
  if ('fault' in message) keep(message.fault);
  else if ('kind' in message) addCounts(counts, message.kind, message.outcomes);
}

const seeds = ONLY === undefined ? { ...kept.seeds } : { [ONLY]: Number(SEED ?? 0) };
const only = ONLY === undefined ? undefined : { target: ONLY, count: Number(CASES) };
const [onlyKind, onlyCommand] = ONLY?.split('/') ?? [];
const commands = PART === 'files' ? {} : soakCommands(root);
const references = new Map<string, Reference>();

/** A command in trouble, drawn by a seed. */
async function oneTrouble(at: number): Promise<void> {
  const int = seededInts(at);
  const command = onlyCommand ?? (Object.keys(commands)[int(Object.keys(commands).length)] as string);
  const name = onlyKind ?? (Object.keys(TROUBLES)[int(Object.keys(TROUBLES).length)] as string);
  const soaked = commands[command] as SoakCommand;
  try {
    const whole = references.get(command) ?? (await reference(soaked, join(root, 'whole', command)));
    references.set(command, whole);
    const outcomes = await trouble(name, soaked, whole, join(root, 'trouble'), int);
    for (const outcome of outcomes) addCounts(counts, name, { [outcome]: 1 });
  } catch (error) {
    addCounts(counts, name, { fault: 1 });
    const said = error instanceof Error ? (error.stack ?? error.message) : String(error);
    keep({ target: `${name}/${command}`, seed: at, what: command, file: 'nothing', bytes: '', error: said });
  }
}

/** Troubles between two turns of the files. */
const TROUBLES_A_TURN = 5;
const isTrouble = onlyKind !== undefined && onlyKind in TROUBLES;

/** Kept after every turn, so that a night that is cut short counts. */
function save(): void {
  if (ONLY !== undefined) return;
  const tried = structuredClone(kept.tried);
  for (const [kind, outcomes] of Object.entries(counts)) addCounts(tried, kind, outcomes);
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  writeFileSync(COUNTS, `${JSON.stringify({ version, seeds, tried }, null, 1)}\n`);
}

do {
  if (PART !== 'commands' && !isTrouble) await runFiles({ root, seeds, only, told, deadline });
  if (PART !== 'files' && (isTrouble || !only)) {
    for (let i = 0; i < (isTrouble ? Number(CASES) : TROUBLES_A_TURN) && (only || Date.now() < deadline); i++) {
      const at = isTrouble ? Number(SEED ?? 0) + i : (seeds.commands ?? 0);
      await oneTrouble(at);
      seeds.commands = at + 1;
    }
  }
  save();
  console.error(`${new Date().toISOString().slice(11, 19)} ${totalOf(counts)} cases, ${faults.size} faults`);
} while (!only && Date.now() < deadline);

for (const [kind, outcomes] of Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1))) {
  const sorted = Object.entries(outcomes).sort(([, a], [, b]) => b - a);
  console.log(`${kind}: ${totalOf({ kind: outcomes })}: ${sorted.map(([code, n]) => `${code} ${n}`).join(', ')}`);
}
console.log(`${totalOf(counts)} cases, ${faults.size} faults${faults.size > 0 ? `; see ${corpus}` : ''}`);
process.exitCode = faults.size > 0 ? 1 : 0;
