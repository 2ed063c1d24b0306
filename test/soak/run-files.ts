import { fork } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BrokenFiles, FileFault } from './messages.ts';

const CHILD = fileURLToPath(new URL('./break-files.js', import.meta.url));
/** A case that computes for longer hangs; one that waits may stand behind other work of the machine. */
const MOST_CPU_MS = 5000;
const MOST_WAIT_MS = 60_000;
const HEAP_MIB = 1024;

/** The case that a child is at, by the file that it writes before each. */
function caseAt(root: string): { text: string; fault: Omit<FileFault, 'error'> } | undefined {
  try {
    const text = readFileSync(join(root, 'state.json'), 'utf8');
    const { folder, ...place } = JSON.parse(text) as Omit<FileFault, 'error' | 'bytes'> & { folder: string };
    return { text, fault: { ...place, bytes: readFileSync(join(folder, place.file)).toString('base64') } };
  } catch {
    return undefined;
  }
}

/** Processor time of a process; undefined where the system does not tell. */
function cpuMs(pid: number): number | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    // A hundred ticks a second (proc(5): USER_HZ).
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return undefined;
  }
}

export interface FileRun {
  readonly root: string;
  /** Where each target goes on; changed as it goes. */
  readonly seeds: Record<string, number>;
  /** A single target, and how many cases of it. */
  readonly only: { readonly target: string; readonly count: number } | undefined;
  readonly told: (message: BrokenFiles) => void;
  readonly deadline: number;
}

/** Gives every target a turn, in a child; behind a case that hangs or ends the child it goes on with the next seed. */
export async function runFiles({ root: parent, seeds, only, told, deadline }: FileRun): Promise<void> {
  const root = mkdtempSync(join(parent, 'files-'));
  try {
    await runChild({ root, seeds, only, told, deadline });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

async function runChild({ root, seeds, only, told, deadline }: FileRun): Promise<void> {
  const args = [root, JSON.stringify(seeds), ...(only ? [only.target, String(only.count)] : [])];
  const execArgv = ['--enable-source-maps', `--max-old-space-size=${HEAP_MIB}`];
  const child = fork(CHILD, args, { execArgv, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-2000);
  });
  child.on('message', (message: BrokenFiles) => {
    if ('next' in message) seeds[message.target] = message.next;
    told(message);
  });
  let since = { text: '', at: Date.now(), cpu: 0 };
  let why: string | undefined;
  const watch = setInterval(() => {
    const [now, cpu] = [Date.now(), cpuMs(child.pid as number)];
    const text = caseAt(root)?.text ?? '';
    if (text !== since.text) since = { text, at: now, cpu: cpu ?? 0 };
    else if (text !== '' && cpu !== undefined && cpu - since.cpu > MOST_CPU_MS)
      why = 'hangs: more than 5 s of processor time';
    else if (text !== '' && now - since.at > MOST_WAIT_MS) why = 'hangs: waits for more than a minute';
    if (why !== undefined || now > deadline) child.kill('SIGKILL');
  }, 500);
  const code = await new Promise<number | null>((resolve) => void child.once('close', resolve));
  clearInterval(watch);
  if (code === 0 || (why === undefined && Date.now() > deadline)) return;
  const at = caseAt(root);
  if (!at) throw new Error(`the child ended with ${code} before its first case:\n${errors}`);
  told({ fault: { ...at.fault, error: why ?? `the process ended with ${code ?? 'a signal'}\n${errors}` } });
  seeds[at.fault.target] = at.fault.seed + 1;
}
