import type { Argv, InferredOptionTypes, Options } from 'yargs';
import { TemperError } from '../../src/core/index.ts';
import { type Transform, transformHash } from '../../src/data/index.ts';
import { type Store, type TargetDifference, type TeacherStage, openStore, recomputeTargets, verifyStore } from '../../src/distill/index.ts';
import { modelHashes, openModel } from '../../src/onnx/index.ts';
import { type Session, classOutput } from '../../src/runtime/index.ts';
import { imageInput } from '../../src/signature/index.ts';
import { DATA, openData } from '../shared/data-options.ts';
import { interruptSignal } from '../shared/main.ts';
import { grouped, oneNumber, stringList, wholeNumber } from '../shared/option-values.ts';
import { note, print, TALK } from '../shared/output-options.ts';
import { progress } from '../shared/progress.ts';
import { openSessions, RUNTIME, workersOf } from '../shared/runtime-options.ts';
import { textTable } from '../shared/text-table.ts';
import { bytesText } from './target-report.ts';

const DEFAULT_SAMPLES = 256;
const MAX_NAMED = 20;

/**
 * Differences that are none, relative to a row's range of logits: float32 sums in another order on the CPU; TF32 and other
 * kernels on an accelerator. Networks that compute in float16 differ by several of its roundings.
 */
const TOLERANCES: Readonly<Record<string, number>> = { cpu: 2e-5, cuda: 5e-3, webgpu: 5e-3 };
const HALF_TOLERANCE = 1e-2;
/** Of the inputs' mean and deviation: the same images, transformed in the same way. */
const INPUT_TOLERANCE = 1e-6;

const RECOMPUTE = grouped('Recomputing:', {
  teachers: {
    type: 'string',
    describe: 'Recompute a sample with these models, in the order of the store (with --data)',
  },
  samples: {
    type: 'string',
    default: DEFAULT_SAMPLES,
    describe: 'Samples to recompute, chosen by the seed, with all of their views',
    coerce: wholeNumber('samples', 1),
  },
  tolerance: {
    type: 'string',
    describe: "Largest difference of a logit, relative to its row's range (default: by provider; cpu 2e-5, cuda 5e-3)",
    coerce: oneNumber('tolerance'),
  },
} as const satisfies Record<string, Options>);

const { data, labels, format, classes, split, seed } = DATA;
const { device, threads, workers } = RUNTIME;
const ALL = {
  ...RECOMPUTE,
  data,
  labels,
  format,
  classes,
  split,
  seed,
  device,
  threads,
  workers,
  ...TALK,
};
type Arguments = InferredOptionTypes<typeof ALL> & { readonly store: string };

/** The models must be those whose targets are stored. @throws TemperError USAGE, MISMATCH_VALUE, INPUT_* */
async function assertTeachers({ manifest, folder }: Store, paths: readonly string[]): Promise<void> {
  if (paths.length !== manifest.teachers.length) {
    throw new TemperError('USAGE', `${paths.length} teachers, ${folder} has targets of ${manifest.teachers.length}`, {
      hint: `Name them all, in this order: ${manifest.teachers.map(({ name }) => name).join(', ')}.`,
    });
  }
  for (const [i, path] of paths.entries()) {
    const expected = manifest.teachers[i] as (typeof manifest.teachers)[number];
    const model = openModel(path);
    try {
      const { sha256, data: external = [] } = await modelHashes(model);
      const [found, wanted] = [
        [sha256, ...external.map((one) => one.sha256)],
        [expected.sha256, ...expected.external_data.map((one) => one.sha256)],
      ];
      if (found.join() === wanted.join()) continue;
      throw new TemperError('MISMATCH_VALUE', `${path}: is not the teacher of the store, ${expected.name}`, {
        hint: 'Name the model that the targets were made with.',
        details: { path, found, expected: wanted },
      });
    } finally {
      model.close();
    }
  }
}

/** The store's teachers as they ran, by its manifest: no option changes how. */
function stagesOf(
  { manifest }: Store,
  sessions: readonly Session[],
): { teachers: TeacherStage[]; transforms: Transform[] } {
  const hashes: string[] = [];
  const transforms: Transform[] = [];
  const teachers = manifest.teachers.map(({ name, input, output, transform, class_map }, i) => {
    const session = sessions[i] as Session;
    const hash = transform === null ? '' : transformHash(transform);
    if (transform !== null && !hashes.includes(hash)) {
      hashes.push(hash);
      transforms.push(transform);
    }
    return {
      name,
      session,
      input: imageInput(session, input),
      output: classOutput(session, output),
      images: Math.max(0, hashes.indexOf(hash)),
      classMap: class_map,
    };
  });
  return { teachers, transforms };
}

function toleranceOf(
  { tolerance }: Arguments,
  { manifest }: Store,
  i: number,
  { session, output }: TeacherStage,
): number {
  if (tolerance !== undefined) return tolerance;
  const providers = [manifest.teachers[i]?.provider ?? '', session.provider];
  const half = output.type === 'float16' ? HALF_TOLERANCE : 0;
  return Math.max(half, ...providers.map((provider) => TOLERANCES[provider] ?? HALF_TOLERANCE));
}

interface Verdict {
  readonly model: string;
  readonly provider: string;
  readonly difference: TargetDifference;
  readonly tolerance: number;
  readonly passed: boolean;
}

async function recompute(args: Arguments, store: Store, signal: AbortSignal): Promise<Verdict[]> {
  const paths = stringList(args.teachers);
  await assertTeachers(store, paths);
  const { dataset } = await openData({ ...args, rows: undefined, limit: undefined }, { labelled: false });
  let sessions: readonly Session[] = [];
  const bar = progress('recomputing', Math.min(args.samples ?? DEFAULT_SAMPLES, store.manifest.n_samples), args.quiet);
  try {
    sessions = await openSessions(paths, args, (text) => note(args, text));
    const stages = stagesOf(store, sessions);
    const differences = await recomputeTargets({
      store,
      dataset,
      ...stages,
      samples: args.samples ?? DEFAULT_SAMPLES,
      seed: args.seed ?? 0,
      workers: workersOf(args),
      onProgress: (samples) => bar.update(samples),
      signal,
    });
    return differences.map((difference, i) => {
      const stage = stages.teachers[i] as TeacherStage;
      const tolerance = toleranceOf(args, store, i, stage);
      const passed = difference.relative <= tolerance && difference.inputs <= INPUT_TOLERANCE;
      return { model: stage.name, provider: stage.session.provider, difference, tolerance, passed };
    });
  } finally {
    bar.end();
    await Promise.all(sessions.map((session) => session.close()));
    await dataset.close();
  }
}

const verdictFields = ({ model, provider, difference: d, tolerance, passed }: Verdict) => ({
  model,
  provider,
  n_rows: d.rows,
  max_abs_logit: d.logits,
  max_abs_max: d.max,
  max_abs_lse: d.lse,
  max_relative: d.relative,
  tolerance,
  mean_kl: d.meanKl,
  max_kl: d.maxKl,
  top1_agreement: d.top1,
  top_k_overlap: d.overlap,
  max_input: d.inputs,
  input_tolerance: INPUT_TOLERANCE,
  passed,
});

function verdictText(verdicts: readonly Verdict[]): string {
  if (verdicts.length === 0) return '';
  const short = (value: number): string => value.toPrecision(2);
  return `${textTable(
    [
      'teacher',
      'rows',
      'max |Δlogit|',
      'beyond rounding',
      'tolerance',
      'mean KL',
      'top-1 same',
      'top-K same',
      'inputs',
      '',
    ],
    verdicts.map(({ model, difference: d, tolerance, passed }) => [
      model,
      String(d.rows),
      short(d.logits),
      short(d.relative),
      short(tolerance),
      short(d.meanKl),
      d.top1.toFixed(4),
      d.overlap.toFixed(4),
      short(d.inputs),
      passed ? 'same' : 'DIFFERENT',
    ]),
  )}\n`;
}

async function verify(args: Arguments): Promise<void> {
  const signal = interruptSignal();
  if ((args.data === undefined) !== (args.teachers === undefined)) {
    throw new TemperError('USAGE', 'recomputing needs --data and --teachers', { hint: 'Give both, or none of them.' });
  }
  const store = openStore(args.store);
  const bar = progress(`checking ${args.store}`, store.manifest.n_parts, args.quiet);
  const { problems, files, bytes, rows } = await verifyStore(args.store, {
    signal,
    onProgress: (parts) => bar.update(parts),
  }).finally(() => bar.end());
  // Numbers of a damaged store would say nothing.
  const verdicts = args.data === undefined || problems.length > 0 ? [] : await recompute(args, store, signal);
  const passed = problems.length === 0 && verdicts.every((one) => one.passed);
  const told = problems.slice(0, MAX_NAMED).map(({ message }) => `${message}\n`);
  const more = problems.length > MAX_NAMED ? `and ${problems.length - MAX_NAMED} more\n` : '';
  const whole = `${args.store}: ${rows} rows in ${files} files, ${bytesText(bytes)}: ${problems.length === 0 ? 'whole' : `${problems.length} problems`}\n`;
  print(
    args,
    {
      store: args.store,
      passed,
      n_rows: rows,
      files,
      bytes,
      problems: problems.map(({ code, message }) => ({ code, message })),
      teachers: verdicts.map(verdictFields),
    },
    `${told.join('')}${more}${verdictText(verdicts)}${whole}`,
  );
  if (!passed) process.exitCode = 1;
}

/** teacher-logits verify. */
export function addVerify(parser: Argv): Argv {
  return parser.command(
    'verify <store>',
    'Check every byte of a store, and recompute a sample of it: exit code 1 if anything differs',
    (y) =>
      y
        .positional('store', { type: 'string', demandOption: true, describe: 'A whole store' })
        .options(ALL)
        .example('$0 verify targets/', 'hashes, structure, coverage, every number')
        .example('$0 verify targets/ --data train/ --teachers teacher.onnx', 'and 256 samples recomputed'),
    async (args) => verify(args as unknown as Arguments),
  );
}
