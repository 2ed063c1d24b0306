import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
// The one exception: whether the process that left a file is alive is a fact of the machine, and nothing that a caller could say.
import { kill, pid } from 'node:process';
import { systemCode } from './errors.ts';

/** Of a name on every usual file system. */
const MAX_NAME_BYTES = 255;
/** `.NAME.REALM.PROCESS.RANDOM.tmp` */
const OURS = /\.([0-9a-f]{8})\.(\d{1,10})\.[0-9a-f]{12}\.tmp$/;

function textOf(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}

let realm: string | undefined;
/** Where a process number means one process: this machine, and this container of it. */
function realmOf(): string {
  realm ??= createHash('sha256')
    .update(
      [
        hostname(),
        textOf(() => readFileSync('/etc/machine-id', 'utf8')),
        textOf(() => readlinkSync('/proc/self/ns/pid')),
      ].join('\n'),
    )
    .digest('hex')
    .slice(0, 8);
  return realm;
}

function isAlive(process: number): boolean {
  try {
    kill(process, 0);
    return true;
  } catch (error) {
    // Of another user: alive. Whatever else it may be is no proof of death.
    return systemCode(error) !== 'ESRCH';
  }
}

/** A text cut to so many bytes of UTF-8, between characters. */
function cut(text: string, bytes: number): string {
  let end = text.length;
  while (Buffer.byteLength(text.slice(0, end)) > bytes) end--;
  return text.slice(0, end);
}

/** A new path for a hidden temporary file or folder that tells whose it is. @param name what it is for */
export function temporaryPath(folder: string, name: string): string {
  const ending = `.${realmOf()}.${pid}.${randomBytes(6).toString('hex')}.tmp`;
  return join(folder, `.${cut(name, MAX_NAME_BYTES - 1 - ending.length)}${ending}`);
}

const looked = new Set<string>();

/**
 * Removes temporary files and folders of processes that were killed, once for each folder: only those that the same machine made, whose process is
 * gone. What cannot be removed stays.
 */
export function removeDeadTemporaries(folder: string): void {
  if (looked.has(folder)) return;
  looked.add(folder);
  try {
    for (const name of readdirSync(folder)) {
      const [, where, process] = OURS.exec(name) ?? [];
      if (where === realmOf() && Number(process) !== pid && !isAlive(Number(process)))
        rmSync(join(folder, name), { force: true, recursive: true });
    }
  } catch {
    // A folder that can be written to and not listed, or a file of another user: no reason not to work.
  }
}
