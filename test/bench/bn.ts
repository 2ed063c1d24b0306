// Times the BatchNormalization pass against a plain forward pass and against torch: `npm run bench:bn [-- --variants]`.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import onnxProto from 'onnx-proto';
import {
  chooseLayers,
  collectMoments,
  findLayers,
  outputMoments,
  type Unfolded,
  unfold,
} from '../../src/batchnorm/index.ts';
import { random } from '../../src/core/index.ts';
import { modelFromBytes } from '../../src/onnx/index.ts';
import { openSession, type Session, type Tensor } from '../../src/runtime/index.ts';
import { foldGraph } from '../support/fold-batchnorm.ts';
import { seededFile } from '../support/seeded-model.ts';
import { BN_VARIANTS, prototypeMomentsGraph } from './bn-graphs.ts';
import { median } from './measure.ts';
import { hasPackages } from './packages.ts';

const { onnx } = onnxProto;
const TARGETS = { timesForward: 1.15, foldedByKept: 1.15, fasterThanTorch: 3.5 };
const PYTHON = process.env.PYTHON ?? '/usr/bin/python3';
const PEER = fileURLToPath(new URL('../../../test/bench/peers/update_bn_torch.py', import.meta.url));

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: 'resnet18' },
    size: { type: 'string', default: '224' },
    batch: { type: 'string', default: '16' },
    batches: { type: 'string', default: '6' },
    threads: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    repetitions: { type: 'string', default: '7' },
    variants: { type: 'boolean', default: false },
    /** Processor time, where others load the machine: with one thread, as idle ones spin. */
    cpu: { type: 'boolean', default: false },
  },
});
const [size, batch, count, threads, repetitions] = (
  ['size', 'batch', 'batches', 'threads', 'repetitions'] as const
).map((name) => Number(options[name])) as [number, number, number, number, number];

const stream = random(0, 'images');
const pixels = Float32Array.from({ length: batch * 3 * size * size }, () => stream.float() * 4 - 2);
/** A copy: a session takes over what it is given. */
const images = (): Tensor => ({ type: 'float32', dims: [batch, 3, size, size], data: pixels.slice() });
const file = seededFile(options.model);
const open = (model: Uint8Array): Promise<Session> => openSession({ model, device: 'cpu', threads, label: 'bench' });

/** Loading the model and the first two runs take as long as ten batches; a job of 8,192 images has 512. */
const WARM_UP = 2;

interface Pass {
  readonly name: string;
  /** `count` batches; milliseconds. */
  run(): Promise<number>;
  close?(): void;
}

/** A pass over `WARM_UP` batches more, which tells when each one is done; timed from the last of those on. */
const steady = (name: string, work: (batches: number, done: () => void) => Promise<unknown>): Pass => ({
  name,
  async run() {
    const ends: number[] = [];
    await work(WARM_UP + count, () => void ends.push(performance.now()));
    return (ends.at(-1) as number) - (ends[WARM_UP - 1] as number);
  },
});

const forward = steady('forward pass', async (batches, done) => {
  const session = await open(file);
  for (let i = 0; i < batches; i++) {
    await session.run({ input: images() });
    done();
  }
  await session.close();
});

async function* numbered(total: number) {
  for (let i = 0; i < total; i++) yield { batch: i, images: images() };
}

/** The pass of `method` batch over a graph that has BatchNormalization, or has it again. */
const moments = (name: string, open: () => Promise<Unfolded>): Pass => {
  let opened: Promise<Unfolded> | undefined;
  return steady(name, async (total, done) => {
    opened ??= open();
    const { model, layers } = await opened;
    const batches = () => numbered(total);
    await collectMoments(model, layers, { device: 'cpu', threads, batches, batchNormalised: true }, done);
  });
};

const ours = moments('bn-recal', async () => {
  const model = modelFromBytes(file);
  return { model, layers: findLayers(model).layers };
});

/** The same network folded: a copy that has it again, with the moments of a reference. */
const folded = moments('bn-recal, folded', async () => {
  const proto = onnx.ModelProto.decode(file);
  foldGraph(proto.graph as Parameters<typeof foldGraph>[0]);
  const model = modelFromBytes(onnx.ModelProto.encode(proto).finish());
  const chosen = chooseLayers(model, []);
  const { goals } = await outputMoments(model, chosen.folded, { device: 'cpu', threads, batches: () => numbered(1) });
  return unfold(model, chosen, goals);
});

/** torch in a process of its own, which waits between passes; its start and model are not timed. */
async function torch(): Promise<Pass | undefined> {
  if (!hasPackages(PYTHON, 'torch', 'torchvision')) return undefined;
  const args = [PEER, options.model, ...[size, batch, count, threads].map(String)];
  const child = spawn(PYTHON, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, OMP_WAIT_POLICY: 'passive' },
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  return {
    name: 'torch update_bn',
    async run() {
      child.stdin.write('\n');
      return Number((await lines.next()).value);
    },
    close: () => child.stdin.end(),
  };
}

/** Runs passes in turn, after one round of warming up; the first is what the others are compared with. */
async function interleave(passes: readonly Pass[]): Promise<Map<string, number[]>> {
  const times = new Map(passes.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round <= repetitions; round++) {
    for (const pass of passes) {
      const ms = await pass.run();
      if (round > 0) times.get(pass.name)?.push(ms);
    }
  }
  return times;
}

const ratio = (a: readonly number[], b: readonly number[]): number => median(a.map((x, i) => x / (b[i] as number)));

function printTable(times: ReadonlyMap<string, number[]>): void {
  const base = [...times.values()][0] as number[];
  console.log(`${''.padEnd(32)} median ms   min ms   ratio   of minima`);
  for (const [name, ms] of times) {
    const [least, leastBase] = [Math.min(...ms), Math.min(...base)];
    const cells = [median(ms).toFixed(0), least.toFixed(0), ratio(ms, base).toFixed(2), (least / leastBase).toFixed(2)];
    console.log(name.padEnd(32), cells.map((cell, i) => cell.padStart([9, 8, 7, 11][i] as number)).join(' '));
  }
}

console.log(`${options.model}, ${size} px, batches of ${batch}, ${threads} threads, ${repetitions} rounds`);
if (options.variants) {
  const graphs: [string, Uint8Array][] = [['forward pass', file]];
  for (const variant of BN_VARIANTS) graphs.push([variant, prototypeMomentsGraph(file, variant)]);
  const sessions = await Promise.all(graphs.map(async ([name, graph]) => ({ name, session: await open(graph) })));
  const passes = sessions.map(({ name, session }) => ({
    name,
    run: async () => {
      const feed = images();
      const before = process.cpuUsage();
      const { ms } = await session.run({ input: feed });
      const { user, system } = process.cpuUsage(before);
      return options.cpu ? (user + system) / 1000 : ms;
    },
  }));
  printTable(await interleave(passes));
  await Promise.all(sessions.map(({ session }) => session.close()));
} else {
  const peer = await torch();
  const times = await interleave([forward, ours, folded, ...(peer ? [peer] : [])]);
  peer?.close?.();
  printTable(times);
  const [plain, own, theirs] = [forward.name, ours.name, peer?.name ?? ''].map((name) => times.get(name));
  if (!plain || !own) throw new Error('a pass was not timed');
  const verdict = (what: string, found: number, met: boolean): void =>
    console.log(`${met ? 'met   ' : 'MISSED'} ${what}: ${found.toFixed(2)}`);
  const timesForward = ratio(own, plain);
  verdict(
    `times the forward pass, at most ${TARGETS.timesForward}`,
    timesForward,
    timesForward <= TARGETS.timesForward,
  );
  const again = times.get(folded.name);
  if (again) {
    const byKept = ratio(again, own);
    verdict(
      `times the pass of the kept graph, folded, at most ${TARGETS.foldedByKept}`,
      byKept,
      byKept <= TARGETS.foldedByKept,
    );
  }
  if (theirs) {
    const faster = ratio(theirs, own);
    verdict(`times as fast as torch, at least ${TARGETS.fasterThanTorch}`, faster, faster >= TARGETS.fasterThanTorch);
  }
}
