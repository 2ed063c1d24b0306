/**
 * Grows the corpus of fixtures/hostile: a broken file is kept if it ends in a way that none before it did (another code, or another text once
 * numbers and names are left out), and what is kept is broken further.
 *
 *   SECONDS=20 npm run fuzz
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { breakOneOf } from '../support/hostile/mutations.ts';
import { type HostileTarget, type Mutated, outcomeOf, placeTarget } from '../support/hostile/target.ts';
import { seededInts } from '../support/mutate-bytes.ts';
import { type CorpusCase, grownTargets, nameOf, readCorpus, writeCorpus } from './corpus.ts';

const SECONDS = Number(process.env.SECONDS ?? 10);
/** More would be weight without another check. */
const MOST_CASES = 24;
const MOST_BYTES = 16 << 10;

/** What tells ways of ending apart. */
const wayOf = ({ code, message }: { code: string; message: string }): string =>
  `${code} ${message.replaceAll(/"[^"]*"|\S*\/\S*|\S*\d\S*/g, '_').slice(0, 200)}`;

async function grow(target: HostileTarget, folder: string): Promise<void> {
  mkdirSync(folder);
  placeTarget(target, folder);
  const cases: CorpusCase[] = [];
  const ways = new Set<string>();
  const look = async (mutated: Mutated): Promise<void> => {
    if (mutated.bytes.length > MOST_BYTES) return;
    const outcome = await outcomeOf(target, folder, mutated);
    if (ways.has(wayOf(outcome)) || cases.length >= MOST_CASES) return;
    ways.add(wayOf(outcome));
    cases.push({ code: outcome.code, file: mutated.file, bytes: mutated.bytes });
  };
  for (const one of readCorpus(target)) await look({ ...one, what: 'kept' });
  const until = Date.now() + SECONDS * 1000;
  let tried = 0;
  for (const int = seededInts(Date.now()); Date.now() < until; tried++) {
    const from = cases[int(cases.length + 1)];
    const mutated = from ? breakOneOf({ [from.file]: from.bytes }, [from.file])(int) : target.mutate(int);
    await look(mutated);
  }
  writeCorpus(target, cases);
  console.error(`${nameOf(target)}: ${tried} tried, ${cases.length} kept`);
}

const root = mkdtempSync(join(tmpdir(), 'onnx-temper-fuzz-'));
try {
  for (const [i, target] of (await grownTargets(join(root, 'made'))).entries()) await grow(target, join(root, `${i}`));
} finally {
  rmSync(root, { recursive: true, force: true });
}
