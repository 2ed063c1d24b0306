/**
 * The child of the soak: breaks files and reads them, case after case, and says before each which it is. One process, so that a crash, a
 * hang or an exhausted heap is one too, and its parent (soak.ts) sees it and goes on behind it.
 *
 *   node break-files.js ROOT SEEDS [TARGET COUNT]
 *
 * SEEDS is a JSON object: the seed at which each target goes on. Every target gets the same time, so that those that are read fast are
 * tried more often.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostileTargets } from '../support/hostile/index.ts';
import { caseOf, type HostileTarget, memoryHeld, placeTarget, runCase } from '../support/hostile/target.ts';
import type { BrokenFiles, FileFault } from './messages.ts';

const MOST_GROWTH_BYTES = 300 * 2 ** 20;

const [root = '', seeds = '{}', only, count] = process.argv.slice(2);
const next = JSON.parse(seeds) as Record<string, number>;
const targets = (await hostileTargets(join(root, 'made'))).filter(
  ({ kind, name }) => !only || only === `${kind}/${name}`,
);
const places = new Map<HostileTarget, string>();
for (const [i, target] of targets.entries()) {
  const folder = join(root, `${i}`);
  mkdirSync(folder, { recursive: true });
  placeTarget(target, folder);
  places.set(target, folder);
}

const send = (message: BrokenFiles): void => void process.send?.(message);
const state = join(root, 'state.json');

async function oneCase(target: HostileTarget, at: number): Promise<string> {
  const folder = places.get(target) as string;
  const mutated = caseOf(target, at);
  const place = { target: `${target.kind}/${target.name}`, seed: at, what: mutated.what };
  // A file, not a message: a process that hangs or dies sends none.
  writeFileSync(state, JSON.stringify({ ...place, file: mutated.file, folder }));
  const fault = (what: string): void =>
    send({
      fault: { ...place, file: mutated.file, bytes: mutated.bytes.toString('base64'), error: what } satisfies FileFault,
    });
  const held = memoryHeld();
  try {
    const outcome = await runCase(target, folder, mutated);
    const grown = memoryHeld() - held;
    if (grown > MOST_GROWTH_BYTES) fault(`memory grew by ${Math.round(grown / 2 ** 20)} MiB`);
    return outcome;
  } catch (error) {
    fault(error instanceof Error ? (error.stack ?? error.message) : String(error));
    return 'fault';
  }
}

/** The time of a target before the next one has its turn. */
const SLICE_MS = 1000;

async function slice(target: HostileTarget): Promise<void> {
  const name = `${target.kind}/${target.name}`;
  const outcomes: Record<string, number> = {};
  const until = Date.now() + SLICE_MS;
  let seed = next[name] ?? 0;
  for (let done = 0; count === undefined ? Date.now() < until : done < Number(count); done++) {
    const outcome = await oneCase(target, seed++);
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  }
  send({ kind: target.kind, target: name, outcomes, next: seed });
}

for (const target of targets) await slice(target);
process.disconnect?.();
