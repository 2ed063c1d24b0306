// Times `avg-ckpt` against the floor and against what one writes in Python: `npm run bench:average [-- --many]`.
import { spawnSync } from 'node:child_process';
import { closeSync, copyFileSync, existsSync, mkdtempSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { resnet50, writeSyntheticModel } from '../support/resnet.ts';
import { interleave, median, nodeProgram, type Program, pairedRatio, type Run } from './measure.ts';

const SNAPSHOTS = 8;
const MANY = 80;
const TARGETS = { timesFloor: 1.5, fasterThanNumpy: 8, peakMb: 200 };
/** Peaks within this of each other count as the same: garbage collection moves them by some MB. */
const SAME_PEAK_MB = 20;

const root = fileURLToPath(new URL('../../../', import.meta.url));
const command = join(root, 'dist/cli/avg-ckpt.js');
const peers = join(root, 'test/bench/peers');
const python = process.env.PYTHON ?? '/usr/bin/python3';

const { values: options } = parseArgs({
  options: { many: { type: 'boolean', default: false }, repetitions: { type: 'string', default: '5' } },
});

const ours = (inputs: readonly string[], out: string): Program =>
  nodeProgram('avg-ckpt', command, ...inputs, '--out', out, '--force');
const floor = (inputs: readonly string[], out: string): Program =>
  nodeProgram('floor', join(root, 'dist/test/bench/average-floor.js'), out, ...inputs);
const peer = (name: string, script: string, inputs: readonly string[], out: string): Program => ({
  name,
  command: python,
  args: [join(peers, 'peak_memory.py'), join(peers, script), out, ...inputs],
});

function hasPackages(...names: string[]): boolean {
  const found = spawnSync(python, ['-c', `import ${names.join(', ')}`], { stdio: 'ignore' }).status === 0;
  if (!found) console.log(`skipped: ${python} does not have ${names.join(' and ')}`);
  return found;
}

/** The programs that can run here, over the same inputs. */
function programs(inputs: readonly string[], folder: string): Program[] {
  const out = join(folder, 'average.onnx');
  const all = [floor(inputs, out)];
  if (existsSync(command)) all.unshift(ours(inputs, out));
  else console.log('skipped: avg-ckpt is not built (dist/cli/avg-ckpt.js)');
  if (hasPackages('numpy', 'onnx')) all.push(peer('numpy', 'average_numpy.py', inputs, out));
  if (hasPackages('torch', 'onnx')) {
    const states = inputs.map((_, i) => join(folder, `state-${i}.pth`));
    const pairs = inputs.flatMap((path, i) => [path, states[i] as string]);
    spawnSync(python, [join(peers, 'onnx_to_pth.py'), ...pairs], { stdio: 'inherit' });
    all.push(peer('torch', 'average_torch.py', states, join(folder, 'average.pth')));
  }
  return all;
}

const peak = (runs: readonly Run[]): number => Math.max(...runs.map((run) => run.peakMb));

function printTable(title: string, results: ReadonlyMap<string, Run[]>): void {
  console.log(`\n${title}`);
  console.log('program     median s    min s   x floor   peak MB');
  const base = results.get('floor');
  for (const [name, runs] of results) {
    const seconds = runs.map((run) => run.seconds);
    const cells = [
      median(seconds).toFixed(2).padStart(8),
      Math.min(...seconds)
        .toFixed(2)
        .padStart(8),
      (base ? pairedRatio(runs, base).toFixed(2) : '-').padStart(9),
      peak(runs).toFixed(0).padStart(9),
    ];
    console.log(`${name.padEnd(11)} ${cells.join(' ')}`);
  }
}

function verdict(what: string, found: number, met: boolean): void {
  console.log(`${met ? 'met   ' : 'MISSED'}  ${what}: ${found.toFixed(2)}`);
}

function printTargets(results: ReadonlyMap<string, Run[]>): void {
  const [mine, base, numpy] = ['avg-ckpt', 'floor', 'numpy'].map((name) => results.get(name));
  if (!mine) return;
  if (base) {
    const ratio = pairedRatio(mine, base);
    verdict(`times the floor, at most ${TARGETS.timesFloor}`, ratio, ratio <= TARGETS.timesFloor);
  }
  if (numpy) {
    const ratio = pairedRatio(numpy, mine);
    verdict(`times faster than numpy, at least ${TARGETS.fasterThanNumpy}`, ratio, ratio >= TARGETS.fasterThanNumpy);
  }
  verdict(`peak MB, at most ${TARGETS.peakMb}`, peak(mine), peak(mine) <= TARGETS.peakMb);
}

/** Copies that differ from each other in their last weight. */
function manyFiles(sources: readonly string[], lastWeight: number, folder: string): string[] {
  return Array.from({ length: MANY }, (_, i) => {
    const path = join(folder, `many_${i}.onnx`);
    copyFileSync(sources[i % sources.length] as string, path);
    const fd = openSync(path, 'r+');
    writeSync(fd, new Uint8Array(Float32Array.of((i + 1) / MANY).buffer), 0, 4, lastWeight);
    closeSync(fd);
    return path;
  });
}

const folder = mkdtempSync(join(tmpdir(), 'onnx-temper-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const repetitions = Number(options.repetitions);
console.log(`Node ${process.versions.node}, ${availableParallelism()} cores, ${repetitions} interleaved repetitions`);
const spec = resnet50();
const snapshots = Array.from({ length: SNAPSHOTS }, (_, i) => join(folder, `epoch_${i + 1}.onnx`));
const [lastWeight] = snapshots.map((path, i) => writeSyntheticModel(path, spec, i + 1)) as [number, ...number[]];
const results = await interleave(programs(snapshots, folder), repetitions);
printTable(
  `${SNAPSHOTS} synthetic ResNet-50 snapshots, ${spec.initializers.length} float32 tensors, 102 MB each`,
  results,
);
printTargets(results);

const checkpoints = join(root, 'fixtures/fashion/checkpoints');
const real = readdirSync(checkpoints)
  .filter((name) => name.endsWith('.onnx'))
  .map((name) => join(checkpoints, name));
const fixtures = await interleave(programs(real, folder), repetitions);
printTable(`${real.length} snapshots of fixtures/fashion, 0.3 MB each: the start of a process`, fixtures);

const few = results.get('avg-ckpt');
if (options.many && few) {
  const inputs = manyFiles(snapshots, lastWeight, folder);
  const many = await interleave(
    [ours(inputs, join(folder, 'average.onnx')), floor(inputs, join(folder, 'floor.onnx'))],
    1,
  );
  printTable(`${MANY} snapshots`, many);
  const difference = peak(many.get('avg-ckpt') ?? []) - peak(few);
  verdict(`MB more than for ${SNAPSHOTS} snapshots, at most ${SAME_PEAK_MB}`, difference, difference <= SAME_PEAK_MB);
}
