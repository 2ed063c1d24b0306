import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { TemperError } from '../../../src/core/index.ts';
import { seededInts } from '../mutate-bytes.ts';

/** A uniform integer below `n`. */
export type Int = (n: number) => number;

/** A file that was broken, and how. */
export interface Mutated {
  readonly file: string;
  readonly bytes: Buffer;
  readonly what: string;
}

/** Files of which one is broken at a time, and everything that reads them. */
export interface HostileTarget {
  /** Sort of file: models, checkpoints, images, … */
  readonly kind: string;
  readonly name: string;
  /** By their paths in the target's folder. */
  readonly files: Readonly<Record<string, Uint8Array>>;
  readonly mutate: (int: Int) => Mutated;
  /** Reads all that there is to read, and checks what it can. Whatever it throws but a TemperError is a fault. */
  readonly read: (folder: string, mutated: Mutated) => unknown;
}

/** The longest message that a hostile file may bring about. */
export const MOST_MESSAGE = 5000;

/** Writes the files of a target as they were. */
export function placeTarget({ files }: HostileTarget, folder: string): void {
  for (const [name, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  }
}

/** How a case ended: 'read', or the code of a typed error, and what it said. */
export interface Outcome {
  readonly code: string;
  readonly message: string;
}

/** Runs a case. @throws anything but a TemperError, which is a fault */
export async function outcomeOf(target: HostileTarget, folder: string, mutated: Mutated): Promise<Outcome> {
  writeFileSync(join(folder, mutated.file), mutated.bytes);
  try {
    await target.read(folder, mutated);
    return { code: 'read', message: '' };
  } catch (error) {
    if (!(error instanceof TemperError)) throw error;
    if (error.message.length > MOST_MESSAGE) throw new Error(`a message of ${error.message.length} characters`);
    return error;
  } finally {
    writeFileSync(join(folder, mutated.file), target.files[mutated.file] as Uint8Array);
  }
}

/** The code that a case ended with. @throws as outcomeOf */
export const runCase = async (target: HostileTarget, folder: string, mutated: Mutated): Promise<string> =>
  (await outcomeOf(target, folder, mutated)).code;

/** The case of a seed. */
export const caseOf = (target: HostileTarget, seed: number): Mutated => target.mutate(seededInts(seed));

/** Values of this thread: what a case may not let grow. */
export function memoryHeld(): number {
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}
