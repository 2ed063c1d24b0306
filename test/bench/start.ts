// Times what a command costs before it works, against a bare Node in the same run: `npm run bench:start`.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { CHECKPOINTS } from '../support/fashion.ts';
import { AVG_CKPT, BN_RECAL, EVAL_CKPT, FIX_RES, ONNX_TEMPER, RES_SWEEP, TEACHER_LOGITS } from '../support/run-cli.ts';

const REPETITIONS = 11;
/** Help: 1.5 times `node -e 0`, and 80 ms. The average of the 12 fixtures: 0.25 s of processor time beside the sum. */
const HELP = { factor: 1.5, plusSeconds: 0.08 };
const AVERAGE_PLUS_SECONDS = 0.25;

const folder = mkdtempSync(join(tmpdir(), 'onnx-temper-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

interface Cost {
  readonly wall: number;
  readonly cpu: number;
}

/** Writes what a process took when it ends: loaded before the program, it counts everything but Node's own start. */
const counter = join(folder, 'counter.mjs');
writeFileSync(
  counter,
  `import { writeFileSync } from 'node:fs';
   process.once('exit', () => writeFileSync(process.env.COST_FILE, JSON.stringify(process.cpuUsage())));`,
);

function run(args: readonly string[]): Cost {
  const file = join(folder, 'cost.json');
  const start = performance.now();
  const { status, stderr } = spawnSync(process.execPath, ['--import', pathToFileURL(counter).href, ...args], {
    env: { ...process.env, COST_FILE: file },
    encoding: 'utf8',
  });
  const wall = (performance.now() - start) / 1000;
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}: ${stderr}`);
  const { user, system } = JSON.parse(readFileSync(file, 'utf8')) as { user: number; system: number };
  return { wall, cpu: (user + system) / 1e6 };
}

/** The sum itself: the job, measured inside a process that has loaded it already. */
const sum = join(folder, 'sum.mjs');
writeFileSync(
  sum,
  `import { writeFileSync } from 'node:fs';
   import { averageCheckpoints } from ${JSON.stringify(new URL('../../src/average/index.js', import.meta.url).href)};
   const start = process.cpuUsage();
   await averageCheckpoints({ inputs: [${JSON.stringify(CHECKPOINTS)}], out: ${JSON.stringify(join(folder, 'sum.onnx'))}, force: true });
   const used = process.cpuUsage(start);
   process.removeAllListeners('exit');
   writeFileSync(process.env.COST_FILE, JSON.stringify(used));`,
);

const programs: Readonly<Record<string, readonly string[]>> = {
  'node -e 0': ['-e', '0'],
  'avg-ckpt --help': [AVG_CKPT, '--help'],
  'eval-ckpt --help': [EVAL_CKPT, '--help'],
  'bn-recal --help': [BN_RECAL, '--help'],
  'teacher-logits --help': [TEACHER_LOGITS, '--help'],
  'res-sweep --help': [RES_SWEEP, '--help'],
  'fix-res --help': [FIX_RES, '--help'],
  'onnx-temper --help': [ONNX_TEMPER, '--help'],
  'avg-ckpt, 12 fixtures': [AVG_CKPT, CHECKPOINTS, '--out', join(folder, 'a.onnx'), '--force', '--quiet'],
  'the sum itself': [sum],
};

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number;
const costs = new Map<string, Cost[]>(Object.keys(programs).map((name) => [name, []]));
for (let round = 0; round <= REPETITIONS; round++) {
  // In turn, so that a slow moment meets all of them; the first round warms up.
  for (const [name, args] of Object.entries(programs)) {
    const cost = run(args);
    if (round > 0) costs.get(name)?.push(cost);
  }
}
const of = (name: string): Cost => ({
  wall: median((costs.get(name) ?? []).map(({ wall }) => wall)),
  cpu: median((costs.get(name) ?? []).map(({ cpu }) => cpu)),
});
const node = of('node -e 0');
console.log(
  `Node ${process.versions.node}, ${availableParallelism()} cores, medians of ${REPETITIONS} interleaved runs (${fileURLToPath(
    import.meta.url,
  )
    .split('/')
    .at(-1)})`,
);
console.log('program                 wall s  cpu s  x node  target');
for (const name of Object.keys(programs)) {
  const { wall, cpu } = of(name);
  const limit = HELP.factor * node.wall + HELP.plusSeconds;
  const target = name.endsWith('--help') ? `<= ${limit.toFixed(3)} s: ${wall <= limit ? 'met' : 'MISSED'}` : '';
  console.log(
    `${name.padEnd(22)}  ${wall.toFixed(3)}  ${cpu.toFixed(3)}  ${(wall / node.wall).toFixed(2).padStart(6)}  ${target}`.trimEnd(),
  );
}
const beside = of('avg-ckpt, 12 fixtures').cpu - of('the sum itself').cpu;
console.log(
  `avg-ckpt beside the sum: ${beside.toFixed(3)} s of processor time (target ${AVERAGE_PLUS_SECONDS}: ${beside <= AVERAGE_PLUS_SECONDS ? 'met' : 'MISSED'})`,
);
