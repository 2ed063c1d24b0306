import { join } from 'node:path';
import type { Argv, InferredOptionTypes, Options } from 'yargs';
import { TemperError, sha256OfFile } from '../../src/core/index.ts';
import { parseShard, partsOf } from '../../src/data/index.ts';
import { MANIFEST_FILE, type Manifest, assertRoom, checkParts, estimateStore, isPartDone, isPartWhole, makeParts, publishManifest, samplesText, startStore } from '../../src/distill/index.ts';
import type { Gate } from '../eval-ckpt/gate.ts';
import { DATA } from '../shared/data-options.ts';
import { interruptSignal } from '../shared/main.ts';
import { grouped } from '../shared/option-values.ts';
import { note, print, TALK, type Talk, WRITE } from '../shared/output-options.ts';
import { type Progress, progress } from '../shared/progress.ts';
import { RUNTIME } from '../shared/runtime-options.ts';
import { TRANSFORM } from '../shared/transform-options.ts';
import { VIEWS } from '../shared/view-options.ts';
import { addExport } from './export-command.ts';
import { addScore } from './score-command.ts';
import { checkTargetFolder, removeStore } from './target-folder.ts';
import { prepareTargets, type TargetJob, type TargetJobArguments } from './target-job.ts';
import { GATE, parseGates, TARGETS } from './target-options.ts';
import {
  badText,
  bytesText,
  durationText,
  formText,
  missedTeacherGates,
  sizeOf,
  storeFields,
  teacherFields,
  teachersText,
} from './target-report.ts';
import { addVerify } from './verify-command.ts';

const FROM = grouped('Views:', {
  'views-from': { type: 'string', describe: 'A store whose views are made again, for another teacher' },
} as const satisfies Record<string, Options>);
const OUT = grouped('Output:', {
  out: { type: 'string', demandOption: true, describe: 'The folder of the store' },
} as const satisfies Record<string, Options>);

const ALL = { ...OUT, ...TARGETS, ...GATE, ...DATA, ...VIEWS, ...FROM, ...TRANSFORM, ...RUNTIME, ...WRITE, ...TALK };
const MERGE = { ...GATE, ...TALK };
type Arguments = InferredOptionTypes<typeof ALL> & TargetJobArguments & { readonly teachers: readonly string[] };

/** This worker's parts: those to make, and how many are there already. */
interface Share {
  readonly own: readonly number[];
  readonly left: readonly number[];
}

/** Parts of a worker that are not there, or damaged. */
async function shareOf(args: Arguments, { run }: TargetJob, hash: string): Promise<Share> {
  const worker = args.shard === undefined ? undefined : parseShard(args.shard, process.env);
  const own = partsOf(run.n_rows, run.rows_per_part, worker).map(({ index }) => index);
  const left: number[] = [];
  for (const part of own) {
    if (isPartDone(args.out, run, part)) {
      if (await isPartWhole(args.out, run, hash, part)) continue;
      note(args, `part ${part} is damaged, and is made again`);
    }
    left.push(part);
  }
  if (own.length > left.length) note(args, `${own.length - left.length} of ${own.length} parts are there already`);
  return { own, left };
}

/** Seconds for so many parts, by what the first batches took. */
function secondsFor({ run, msPerBatch }: TargetJob, parts: number): number | undefined {
  if (msPerBatch === undefined) return undefined;
  const samples = Math.min(run.n_samples, (parts * run.rows_per_part) / run.views);
  return (Math.ceil(samples / run.batch) * msPerBatch) / 1000;
}

/** What is known before the first part is made. */
function estimateText(args: Arguments, job: TargetJob, parts: number): string {
  const { run } = job;
  const { bytes, bytesPerRow } = estimateStore(args.out, run);
  const seconds = secondsFor(job, parts);
  const views = run.views > 1 ? ` (${run.n_samples} images in ${run.views} views)` : '';
  const time = seconds === undefined ? '' : `, about ${durationText(seconds)}`;
  const mine = parts < run.n_parts ? `; ${parts} parts are to be made here` : '';
  return (
    `${run.n_rows} rows${views} of ${bytesPerRow} bytes, ${formText(run)}, in ${run.n_parts} parts: ` +
    `${bytesText(bytes)}${mine}${time}`
  );
}

function checkArguments(args: Arguments): Gate[] {
  const gates = parseGates(args.gate);
  if (args.shard !== undefined) {
    parseShard(args.shard, process.env);
    if (args.force) {
      throw new TemperError('USAGE', '--force would remove the parts of other workers', {
        hint: 'Remove the folder before the workers start.',
      });
    }
    if (gates.length > 0) {
      throw new TemperError('USAGE', '--gate needs all rows, a worker has some', {
        hint: 'Give it to teacher-logits merge.',
      });
    }
  }
  const inputs = [...args.teachers, args.data, args['views-from']].filter((path) => path !== undefined);
  checkTargetFolder(args.out, inputs, args.force);
  return gates;
}

/** Publishes the manifest unless a teacher misses a gate, and prints what the store is. */
async function finish(
  folder: string,
  manifest: Manifest,
  gates: readonly Gate[],
  talk: Talk,
  more: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const missed = missedTeacherGates(gates, manifest, manifest.scores);
  const complete = missed.length === 0;
  if (complete) publishManifest(folder, manifest);
  const path = join(folder, MANIFEST_FILE);
  const sha256 = complete ? await sha256OfFile(path) : null;
  const verdict = complete
    ? `${path}  ${manifest.n_rows} rows, ${formText(manifest)}, ${bytesText(sizeOf(manifest))}  sha256 ${sha256}\n`
    : `${missed.map((text) => `${text}\n`).join('')}no manifest was written: the parts stay, a run or merge without --gate completes them\n`;
  print(
    talk,
    {
      ...storeFields(folder, manifest),
      complete,
      manifest_sha256: sha256,
      bytes: sizeOf(manifest),
      teachers: teacherFields(manifest, manifest.scores),
      gates: { passed: complete, missed },
      bad_images: manifest.bad_images,
      ...more,
    },
    `${teachersText(manifest, manifest.scores)}\n${badText(manifest.bad_images)}${verdict}`,
  );
  if (!complete) process.exitCode = 1;
}

function printDryRun(args: Arguments, job: TargetJob): void {
  const { run } = job;
  const { bytes, bytesPerRow } = estimateStore(args.out, run);
  const worker = args.shard === undefined ? undefined : parseShard(args.shard, process.env);
  const parts = partsOf(run.n_rows, run.rows_per_part, worker).length;
  print(
    args,
    {
      ...storeFields(args.out, run),
      dry_run: true,
      parts_of_worker: parts,
      estimated_bytes: bytes,
      bytes_per_row: bytesPerRow,
      estimated_seconds: secondsFor(job, parts) ?? null,
      teachers: teacherFields(run, null),
    },
    `${teachersText(run, null)}\n${estimateText(args, job, parts)}\nnothing was written\n`,
  );
}

async function make(args: Arguments, job: TargetJob, gates: readonly Gate[], signal: AbortSignal): Promise<void> {
  const { out: folder } = args;
  const { run, chosen, teachers, transforms, viewsFrom, workers } = job;
  const { dataset, rows } = chosen;
  if (args.force) removeStore(folder);
  await assertRoom(folder, estimateStore(folder, run).missingBytes);
  const hash = await startStore(folder, run, samplesText(dataset, rows));
  const { own, left } = await shareOf(args, job, hash);
  note(args, estimateText(args, job, left.length));
  const samples =
    left.reduce((sum, part) => sum + Math.min(run.rows_per_part, run.n_rows - part * run.rows_per_part), 0) / run.views;
  const bar = progress(`${teachers.length === 1 ? 'a teacher' : `${teachers.length} teachers`}:`, samples, args.quiet);
  const start = performance.now();
  try {
    await makeParts({
      folder,
      run,
      dataset,
      rows,
      teachers,
      transforms,
      viewsFrom,
      workers,
      signal,
      runHash: hash,
      parts: left,
      onBadImage: args['on-bad-image'],
      onBad: ({ key, error }) => note(args, `bad image ${key}: ${error.message}`),
      onProgress: (done) => bar.update(done),
    });
  } finally {
    bar.end();
  }
  const seconds = (performance.now() - start) / 1000;
  const made = {
    parts_made: left.length,
    parts_kept: own.length - left.length,
    seconds,
    img_s_end2end: samples > 0 ? samples / seconds : null,
  };
  if (args.shard === undefined) {
    await finish(folder, await checkParts(folder, { signal }), gates, args, made);
    return;
  }
  print(
    args,
    { ...storeFields(folder, run), complete: false, parts_of_worker: own.length, ...made },
    `${folder}: ${left.length} parts made, ${own.length - left.length} were there; when all workers are done: teacher-logits merge ${folder}\n`,
  );
}

async function teach(args: Arguments): Promise<void> {
  const signal = interruptSignal();
  const gates = checkArguments(args);
  const job = await prepareTargets(args.teachers, args, { say: (text) => note(args, text), signal });
  try {
    if (gates.length > 0 && !job.chosen.dataset.labelled) {
      throw new TemperError('USAGE', `--gate ${args.gate}: the data has no labels`, {
        hint: 'Give --labels, or leave --gate out.',
      });
    }
    if (args['dry-run']) printDryRun(args, job);
    else await make(args, job, gates, signal);
  } finally {
    await job.close();
  }
}

async function merge(args: InferredOptionTypes<typeof MERGE> & { readonly store: string }): Promise<void> {
  const signal = interruptSignal();
  const gates = parseGates(args.gate);
  let bar: Progress | undefined;
  const onProgress = (parts: number, all: number): void => {
    bar ??= progress(`checking ${args.store}`, all, args.quiet);
    bar.update(parts);
  };
  const manifest = await checkParts(args.store, { signal, onProgress }).finally(() => bar?.end());
  await finish(args.store, manifest, gates, args);
}

function addRun(parser: Argv): Argv {
  return parser.command(
    '$0 <teachers..>',
    'Store what teachers say about every image, for distillation: logits at several temperatures, by sample and view',
    (y) =>
      y
        .positional('teachers', { type: 'string', array: true, demandOption: true, describe: 'ONNX models' })
        .options(ALL)
        .example('$0 teacher.onnx --data train/ --out targets/', 'the evaluation view, all logits')
        .example(
          '$0 a.onnx b.onnx --data train/ --augment rrc,flip --views 10 --top-k 20 --out targets/',
          'ten views, two teachers',
        )
        .example('$0 a.onnx --data train/ --out targets/ --shard env', 'a worker of a Slurm array; then merge')
        .epilogue(
          'A run that was stopped goes on where it stopped, and ends with the bytes of an undisturbed one. Exit codes: ' +
            '1 a gate is missed, 2 usage, 3 input or output exists, 4 format, 5 unsupported, 6 mismatch, 7 execution, 8 NaN or Inf.',
        ),
    async (args) => teach(args as unknown as Arguments),
  );
}

function addMerge(parser: Argv): Argv {
  return parser.command(
    'merge <store>',
    'Check that all parts of all workers are there and whole, and complete the store',
    (y) =>
      y
        .positional('store', { type: 'string', demandOption: true, describe: 'The folder that the workers wrote to' })
        .options(MERGE)
        .example('$0 merge targets/', ''),
    async (args) => merge(args as unknown as Parameters<typeof merge>[0]),
  );
}

/** teacher-logits with its subcommands. */
export function addTeacherLogitsCommands(parser: Argv): Argv {
  return addExport(addScore(addVerify(addMerge(addRun(parser)))));
}
