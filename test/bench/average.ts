// Times `avg-ckpt` against the floor and against what one writes in Python: `npm run bench:average [-- --many]`; `--only models`, `template` or `start`.
import { closeSync, copyFileSync, mkdtempSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { foldBatchNorms } from '../support/fold-batchnorm.ts';
import { resnet50, writeSyntheticModel } from '../support/resnet.ts';
import { writeStateDict } from '../support/state-dict-file.ts';
import { interleave, median, nodeProgram, type Program, pairedRatio, type Run } from './measure.ts';
import { hasPackages } from './packages.ts';

const SNAPSHOTS = 8;
const MANY = 80;
const TARGETS = { timesFloor: 1.1, fasterThanNumpy: 2.3, fasterThanTorch: 3.3, timesOneOutput: 1.5, peakMb: 200 };
const TEMPLATE_TARGETS = { timesFloor: 1.3, peakMb: 200 };
/** Peaks within this of each other count as the same: garbage collection moves them by some MB. */
const SAME_PEAK_MB = 20;

const root = fileURLToPath(new URL('../../../', import.meta.url));
const command = join(root, 'dist/cli/bin/avg-ckpt.js');
const peers = join(root, 'test/bench/peers');
const python = process.env.PYTHON ?? '/usr/bin/python3';

const { values: options } = parseArgs({
  options: {
    many: { type: 'boolean', default: false },
    only: { type: 'string', default: 'models,template,start' },
    repetitions: { type: 'string', default: '5' },
  },
});

const ours = (inputs: readonly string[], out: string, ...more: string[]): Program =>
  nodeProgram('avg-ckpt', command, ...inputs, '--out', out, '--force', ...more);
/** Post-hoc EMA profiles of four widths, in one pass. */
const fourOutputs = (inputs: readonly string[], outDir: string): Program =>
  nodeProgram('4 outputs', ...[command, ...inputs, '--sigma-rel', '0.05,0.1,0.15,0.2', '--out-dir', outDir, '--force']);
const floor = (inputs: readonly string[], out: string): Program =>
  nodeProgram('floor', join(root, 'dist/test/bench/average-floor.js'), out, ...inputs);
const peer = (name: string, script: string, ...args: string[]): Program => ({
  name,
  command: python,
  args: [join(peers, 'peak_memory.py'), join(peers, script), ...args],
});

/** The programs that can run here, over the same inputs. */
function programs(inputs: readonly string[], states: readonly string[], folder: string): Program[] {
  const out = join(folder, 'average.onnx');
  const all = [ours(inputs, out), floor(inputs, out), fourOutputs(inputs, join(folder, 'four'))];
  if (hasPackages(python, 'numpy', 'onnx')) all.push(peer('numpy', 'average_numpy.py', out, ...inputs));
  if (hasPackages(python, 'torch')) all.push(peer('torch', 'average_torch.py', join(folder, 'average.pth'), ...states));
  return all;
}

/** Checkpoints of torch.save into an export of the last of them, with BatchNormalization folded as torch's exporter does. */
function templatePrograms(states: readonly string[], template: string, folder: string): Program[] {
  const out = join(folder, 'average.onnx');
  const all = [ours(states, out, '--template', template), floor([...states, template], out)];
  if (!hasPackages(python, 'torch')) return all;
  return [...all, peer('torch', 'average_torch.py', '--mmap', join(folder, 'average.pth'), ...states)];
}

const peak = (runs: readonly Run[]): number => Math.max(...runs.map((run) => run.peakMb));

function printTable(title: string, results: ReadonlyMap<string, Run[]>): void {
  console.log(`\n${title}`);
  console.log('program     median s    min s   x floor  processor s   x floor   peak MB');
  const base = results.get('floor');
  for (const [name, runs] of results) {
    const seconds = runs.map((run) => run.seconds);
    const ratio = (of: 'seconds' | 'cpuSeconds'): string => (base ? pairedRatio(runs, base, of).toFixed(2) : '-');
    const cells = [
      median(seconds).toFixed(2).padStart(8),
      Math.min(...seconds)
        .toFixed(2)
        .padStart(8),
      ratio('seconds').padStart(9),
      median(runs.map((run) => run.cpuSeconds))
        .toFixed(2)
        .padStart(12),
      ratio('cpuSeconds').padStart(9),
      peak(runs).toFixed(0).padStart(9),
    ];
    console.log(`${name.padEnd(11)} ${cells.join(' ')}`);
  }
}

function verdict(what: string, found: number, met: boolean): void {
  console.log(`${met ? 'met   ' : 'MISSED'}  ${what}: ${found.toFixed(2)}`);
}

interface Targets {
  readonly timesFloor: number;
  readonly peakMb: number;
  readonly timesOneOutput?: number;
  readonly fasterThanNumpy?: number;
  readonly fasterThanTorch?: number;
}

function printTargets(results: ReadonlyMap<string, Run[]>, targets: Targets): void {
  const mine = results.get('avg-ckpt');
  if (!mine) return;
  const atMost = (what: string, other: string, limit: number | undefined, of: (other: readonly Run[]) => number) => {
    const runs = results.get(other);
    if (runs && limit !== undefined) verdict(`${what}, at most ${limit}`, of(runs), of(runs) <= limit);
  };
  const faster = (than: string, limit: number | undefined): void => {
    const runs = results.get(than);
    if (!runs || limit === undefined) return;
    const ratio = pairedRatio(runs, mine);
    verdict(`times faster than ${than}, at least ${limit}`, ratio, ratio >= limit);
  };
  atMost('times the floor', 'floor', targets.timesFloor, (base) => pairedRatio(mine, base));
  atMost('4 outputs, times 1 output', '4 outputs', targets.timesOneOutput, (four) => pairedRatio(four, mine));
  faster('numpy', targets.fasterThanNumpy);
  faster('torch', targets.fasterThanTorch);
  verdict(`peak MB, at most ${targets.peakMb}`, peak(mine), peak(mine) <= targets.peakMb);
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
const states = snapshots.map((path) => writeStateDict(path, path.replace('.onnx', '.pth')));
const only = new Set(options.only.split(','));
const results = only.has('models') ? await interleave(programs(snapshots, states, folder), repetitions) : undefined;
if (results) {
  const title = `${SNAPSHOTS} synthetic ResNet-50 snapshots, ${spec.initializers.length} float32 tensors, 102 MB each`;
  printTable(title, results);
  printTargets(results, TARGETS);
}

if (only.has('template')) {
  const template = foldBatchNorms(snapshots.at(-1) as string, join(folder, 'template.onnx'), Math.fround);
  const mapped = await interleave(templatePrograms(states, template, folder), repetitions);
  printTable('the same as .pth into a template with folded BatchNormalization (torch: without export)', mapped);
  printTargets(mapped, TEMPLATE_TARGETS);
}

if (only.has('start')) {
  const checkpoints = join(root, 'fixtures/fashion/checkpoints');
  const real = readdirSync(checkpoints)
    .filter((name) => name.endsWith('.onnx'))
    .map((name) => join(checkpoints, name));
  const out = join(folder, 'average.onnx');
  const fixtures = await interleave([ours(real, out), floor(real, out)], repetitions);
  printTable(`${real.length} snapshots of fixtures/fashion, 0.3 MB each: the start of a process`, fixtures);
}

const few = results?.get('avg-ckpt');
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
