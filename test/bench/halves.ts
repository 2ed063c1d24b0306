import type { BatchInput } from '../../src/data/index.ts';
import type { Session, Tensor } from '../../src/runtime/index.ts';
import { median } from './measure.ts';

interface Cost {
  /** Wall and processor time (user + system, all threads), in milliseconds. */
  readonly wall: number;
  readonly cpu: number;
}

/** What a pipeline costs beside its two halves, each alone. */
interface Round {
  readonly inference: Cost;
  readonly decoding: Cost;
  readonly whole: Cost;
}

export interface Halves {
  /** Called before each round, outside of its times. */
  readonly prepare: () => void;
  readonly infer: () => Promise<unknown>;
  readonly decode: () => Promise<unknown>;
  readonly whole: () => Promise<unknown>;
}

/** What a piece of work takes, its threads included. */
export async function cost(work: () => Promise<unknown>): Promise<Cost> {
  const [start, used] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(used);
  return { wall: performance.now() - start, cpu: (user + system) / 1000 };
}

/** Inference alone, decoding alone and the whole, in this order, `repetitions` times after one warm-up round. */
export async function measureHalves(halves: Halves, repetitions: number): Promise<Round[]> {
  const rounds: Round[] = [];
  for (let round = 0; round <= repetitions; round++) {
    halves.prepare();
    const inference = await cost(halves.infer);
    const decoding = await cost(halves.decode);
    const whole = await cost(halves.whole);
    if (round > 0) rounds.push({ inference, decoding, whole });
  }
  return rounds;
}

/** Batches that the session may take over: each run empties them. */
export const copies = (batches: readonly BatchInput[]): BatchInput[] =>
  batches.map((batch) => ({ ...batch, data: batch.data.slice() }));

export async function infer(session: Session, batches: readonly BatchInput[]): Promise<void> {
  const name = session.inputs[0]?.name ?? '';
  await Promise.all(batches.map((batch) => session.run({ [name]: batch as Tensor })));
}

/** Time over the longer half, and work over the sum of both: the latter does not care for other programs on the cores. */
const times = ({ inference, decoding, whole }: Round): number => whole.wall / Math.max(inference.wall, decoding.wall);
const work = ({ inference, decoding, whole }: Round): number => whole.cpu / (inference.cpu + decoding.cpu);

export const HEADER = `${'ms per image'.padEnd(30)} inference  decoding     whole  x longer half (range)  x work`;

/** A line of the table. @param images of a round @param target of the time over the longer half */
export function halvesLine(name: string, images: number, rounds: readonly Round[], target: number): string {
  const perImage = (part: keyof Round): string =>
    (median(rounds.map((round) => round[part].wall)) / images).toFixed(3).padStart(9);
  const ratios = rounds.map(times);
  const ratio = median(ratios);
  return [
    name.padEnd(30),
    perImage('inference'),
    perImage('decoding'),
    perImage('whole'),
    ratio.toFixed(2).padStart(7),
    `(${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`,
    median(rounds.map(work)).toFixed(2).padStart(7),
    ratio <= target ? '  met' : '  MISSED',
  ].join(' ');
}
