/** Whole commands over the real snapshots, some seconds each, and what they write undisturbed. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { writeHead } from '../support/heads.ts';
import { ONNX_TEMPER } from '../support/run-cli.ts';
import { DATA, ON_CPU, TRANSFORM } from '../support/run-eval.ts';
import { TRAIN, VAL } from '../support/run-fix-res.ts';

const NEWEST = SNAPSHOTS.at(-1) as string;
const SEEN = [...TRANSFORM, '--size', '20', ...ON_CPU];
const FEW = [...DATA, '--rows', '0:200', ...SEEN];
const LABELS = ['--val-labels', join(FASHION, 'test-labels-idx1-ubyte.gz')];

/** Words before the outputs; outputs are files or a folder, the same bytes in every run. */
export interface SoakCommand {
  readonly words: readonly string[];
  /** Files that it reads, copies under the same name in every run, and what they are copies of. */
  readonly inputs: ReadonlyMap<string, string>;
  readonly outputs: (folder: string) => readonly string[];
}

const out =
  (name: string, flag = '--out') =>
  (folder: string) => [flag, join(folder, name)];

/** A command whose inputs are copies in a folder, which may be broken: tables say what they are called. */
function onCopies({ words, outputs }: Omit<SoakCommand, 'inputs'>, folder: string): SoakCommand {
  const inputs = new Map<string, string>();
  const own = words.map((word) => {
    if (!/\.onnx$|ubyte\.gz$/.test(word)) return word;
    const copy = join(folder, basename(word));
    inputs.set(copy, word);
    return copy;
  });
  return { words: own, outputs, inputs };
}

/** Makes the inputs what they are copies of. */
export function restoreInputs({ inputs }: SoakCommand): void {
  for (const [copy, original] of inputs) {
    mkdirSync(dirname(copy), { recursive: true });
    copyFileSync(original, copy);
  }
}

/** @param root a folder for copies of inputs, and for a model that calibration makes better */
export const soakCommands = (root: string): Readonly<Record<string, SoakCommand>> =>
  Object.fromEntries(
    Object.entries(commandsOn(root)).map(([name, command]) => [name, onCopies(command, join(root, 'inputs'))]),
  );

const commandsOn = (root: string): Readonly<Record<string, Omit<SoakCommand, 'inputs'>>> => ({
  'avg-ckpt': { words: ['avg-ckpt', ...SNAPSHOTS], outputs: out('out.onnx') },
  'avg-ckpt, several outputs': {
    words: ['avg-ckpt', ...SNAPSHOTS, '--last', '3,5', '--decay', '0.5,0.9'],
    outputs: out('averages', '--out-dir'),
  },
  'avg-ckpt search': {
    words: [
      'avg-ckpt',
      'search',
      ...SNAPSHOTS.slice(-3),
      '--val',
      DATA[1],
      ...LABELS,
      '--val-rows',
      '0:200',
      ...SEEN,
      '--allow-worse',
    ],
    outputs: out('found.onnx'),
  },
  'eval-ckpt': {
    words: ['eval-ckpt', NEWEST, SNAPSHOTS[0] as string, ...FEW],
    outputs: out('images.csv', '--per-image'),
  },
  'eval-ckpt, Parquet': { words: ['eval-ckpt', NEWEST, ...FEW], outputs: out('images.parquet', '--per-image') },
  'bn-recal': { words: ['bn-recal', NEWEST, ...FEW], outputs: out('recal.onnx') },
  'teacher-logits': {
    words: ['teacher-logits', NEWEST, ...FEW, '--augment', 'rrc,flip', '--views', '2', '--rows-per-shard', '40'],
    outputs: out('store'),
  },
  'fix-res': {
    words: [
      'fix-res',
      NEWEST,
      ...TRAIN,
      ...VAL,
      '--train-rows',
      '0:200',
      '--val-rows',
      '0:200',
      ...TRANSFORM,
      '--train-size',
      '20',
      '--size',
      '24',
      '--epochs',
      '1',
      '--allow-worse',
      ...ON_CPU,
    ],
    outputs: out('fixed.onnx'),
  },
  calibrate: {
    words: ['calibrate', writeHead(root, 'softmax'), '--val', DATA[1], ...LABELS, '--val-rows', '0:600', ...SEEN],
    outputs: out('calibrated.onnx'),
  },
});

/** SHA-256 of every file in a folder, by its path; temporary files apart. */
export function filesIn(folder: string): { files: Record<string, string>; temporary: string[] } {
  const names = existsSync(folder) ? readdirSync(folder, { recursive: true }).map(String).sort() : [];
  const all = names.filter((name) => statSync(join(folder, name), { throwIfNoEntry: false })?.isFile());
  const isTemporary = (name: string): boolean => name.endsWith('.tmp');
  const hash = (name: string): string =>
    createHash('sha256')
      .update(readFileSync(join(folder, name)))
      .digest('hex');
  return {
    files: Object.fromEntries(all.filter((name) => !isTemporary(name)).map((name) => [name, hash(name)])),
    temporary: all.filter(isTemporary),
  };
}

export interface Ended {
  /** Undefined where a signal ended it. */
  readonly code: number | undefined;
  readonly signal: string | undefined;
  readonly stderr: string;
  readonly ms: number;
}

export interface Disturbance {
  /** Shell words before the command, such as `ulimit -n 20`. */
  readonly limits?: string;
  readonly nodeOptions?: readonly string[];
  readonly kill?: { readonly signal: NodeJS.Signals; readonly afterMs: number };
  /** Something that is done to its inputs meanwhile. */
  readonly meanwhile?: { readonly afterMs: number; readonly act: () => void };
}

const HANGS_MS = 120_000;

/** Runs a command to its end. */
export function runCommand(
  words: readonly string[],
  { limits, nodeOptions = [], kill, meanwhile }: Disturbance = {},
): Promise<Ended> {
  const node = [process.execPath, '--enable-source-maps', ...nodeOptions, ONNX_TEMPER, ...words];
  const [program, ...args] = limits === undefined ? node : ['sh', '-c', `${limits}; exec "$@"`, 'sh', ...node];
  const began = Date.now();
  const child = spawn(program as string, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-4000);
  });
  const timers = [setTimeout(() => child.kill('SIGKILL'), HANGS_MS)];
  if (kill) timers.push(setTimeout(() => child.kill(kill.signal), kill.afterMs));
  if (meanwhile) timers.push(setTimeout(meanwhile.act, meanwhile.afterMs));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      for (const timer of timers) clearTimeout(timer);
      const ms = Date.now() - began;
      resolve({
        code: code ?? undefined,
        signal: signal ?? undefined,
        stderr: ms >= HANGS_MS ? `hangs\n${stderr}` : stderr,
        ms,
      });
    });
  });
}

/** What a command writes when nothing disturbs it, and how long it takes. */
export interface Reference {
  readonly files: Readonly<Record<string, string>>;
  readonly ms: number;
}

export async function reference(command: SoakCommand, folder: string): Promise<Reference> {
  const { words, outputs } = command;
  restoreInputs(command);
  mkdirSync(folder, { recursive: true });
  const ended = await runCommand([...words, ...outputs(folder), '--quiet']);
  if (ended.code !== 0) throw new Error(`${words.slice(0, 2).join(' ')}: ${ended.code} ${ended.stderr}`);
  return { files: filesIn(folder).files, ms: ended.ms };
}
