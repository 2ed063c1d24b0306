#!/usr/bin/env node
import { resolve } from 'node:path';
import type { Argv, InferredOptionTypes, Options } from 'yargs';
import {
  type BatchMoments,
  type BatchNormLayer,
  chooseLayers,
  collectMoments,
  ESTIMATORS,
  type EstimatorName,
  findLayers,
  type LayerReport,
  type MeasuredLayer,
  type MomentsRun,
  measure,
  mergeMomentsFiles,
  type Ran,
  readMomentsFile,
  recalibrateSequentially,
  shiftWarnings,
  writeMomentsFile,
} from '../src/batchnorm/index.ts';
import { openFile, TemperError, writeFileAtomic } from '../src/core/index.ts';
import { canonicalJson, parseShard, selectRows } from '../src/data/index.ts';
import { assertOutput, type Model, nextStepKey, openModel, writeEdited } from '../src/onnx/index.ts';
import { csvText, type FieldRow } from '../src/report/index.ts';
import { parseDevice } from '../src/runtime/index.ts';
import { argumentsOf, type ChosenData, DATA, openData, prefixedData } from './support/data-options.ts';
import type { EvaluateArguments } from './support/evaluate-models.ts';
import { interruptSignal, mainIfProgram } from './support/main.ts';
import { modelHashes, modelSha256 } from './support/model-hash.ts';
import { declaredInputs } from './support/model-inputs.ts';
import { momentsRun, withEmptyBatches } from './support/moments-job.ts';
import { grouped, oneNumber, stringList } from './support/option-values.ts';
import { note, print, TALK, type Talk, WRITE } from './support/output-options.ts';
import { progress } from './support/progress.ts';
import { batchesOf, guardEdits, type JobImages, numberedBatches, recalibrated } from './support/recalibration.ts';
import { batchOf, RUNTIME, workersOf } from './support/runtime-options.ts';
import { textTable } from './support/text-table.ts';
import { modelInput, TRANSFORM, transformFor } from './support/transform-options.ts';
import { version } from './support/version.ts';
import { VIEWS, viewOptions } from './support/view-options.ts';

/** As pycls and mmpretrain; 10³ to 10⁴ samples are near-optimal (Wu and Johnson 2021). */
const DEFAULT_SAMPLES = 8192;
const FEW_SAMPLES = 1000;
/** Below, layers that a batch normalises by itself are biased by a percent and more. */
const SMALL_BATCH = 8;

const RECALIBRATION = grouped('Recalibration:', {
  samples: {
    type: 'string',
    default: DEFAULT_SAMPLES,
    describe: 'Images to use, or all if there are fewer',
    coerce: oneNumber('samples'),
  },
  estimator: {
    choices: ESTIMATORS,
    default: 'population' as const,
    describe: "population: every value counts once (fvcore, ONNX); torch: update_bn's mean of unbiased batch variances",
  },
  method: {
    choices: ['batch', 'sequential'] as const,
    default: 'batch' as const,
    describe: 'batch: one pass; sequential: exact, one pass for each level of depth',
  },
  prior: {
    type: 'string',
    default: 0,
    describe: 'Weight of the old statistics, in images (AdaBN: 0)',
    coerce: oneNumber('prior'),
  },
  shard: {
    type: 'string',
    describe: 'Worker i/n, env or env/n (Slurm array, Kubernetes indexed job); with --moments-out',
  },
  'moments-out': { type: 'string', describe: 'Moments of the batches, for bn-recal merge' },
  layers: { type: 'string', describe: 'Only these layers, with * for any characters; several with commas' },
  'allow-worse': { type: 'boolean', default: false, describe: 'Write although the guard says that it is no better' },
} as const satisfies Record<string, Options>);

const OUT = grouped('Output:', {
  out: { type: 'string', describe: 'The recalibrated model' },
  csv: { type: 'string', describe: 'The table of layers as CSV' },
} as const satisfies Record<string, Options>);

const GUARD = prefixedData('guard', 'on which the result must be better, or nothing is written');
const ALL = { ...OUT, ...RECALIBRATION, ...DATA, ...GUARD, ...VIEWS, ...TRANSFORM, ...RUNTIME, ...WRITE, ...TALK };
const { estimator, prior, 'allow-worse': allowWorse } = RECALIBRATION;
const { seed, classes, 'on-bad-image': onBadImage } = DATA;
/** What is still to be chosen when moments are put together: the estimator, the guard and its images. */
const MERGE = {
  ...OUT,
  ...{ estimator, prior, 'allow-worse': allowWorse, seed, classes, 'on-bad-image': onBadImage },
  model: { type: 'string', demandOption: true, describe: 'The model that the workers were given' },
  ...GUARD,
  ...TRANSFORM,
  ...RUNTIME,
  ...WRITE,
  ...TALK,
} as const satisfies Record<string, Options>;
type MergeArguments = InferredOptionTypes<typeof MERGE> & {
  readonly model: string;
  readonly moments: readonly string[];
} & Record<string, unknown>;
type Arguments = InferredOptionTypes<typeof ALL> & { readonly model: string } & Record<string, unknown>;

function layersText(reports: readonly LayerReport[]): string {
  return textTable(
    ['layer', 'channels', 'mean shift (old sd) rms', 'max', 'variance ratio min', 'median', 'max', 'zero variance'],
    reports.map((r) => [
      r.layer,
      String(r.channels),
      r.mean_shift_rms.toFixed(4),
      r.mean_shift_max.toFixed(4),
      r.variance_ratio_min.toFixed(4),
      r.variance_ratio_median.toFixed(4),
      r.variance_ratio_max.toFixed(4),
      String(r.zero_variance_channels),
    ]),
  );
}

/** Statistics in the file that are no numbers, or negative variances, leave shifts and ratios unmeasured. */
const csvRow = (report: LayerReport): FieldRow =>
  Object.fromEntries(
    Object.entries(report).map(([field, value]) => [field, Number.isNaN(value) ? null : (value as string | number)]),
  );

function chooseRows(all: Uint32Array, samples: number, seed: number, key: (row: number) => string): Uint32Array {
  if (!Number.isSafeInteger(samples) || samples < 1) {
    throw new TemperError('USAGE', `--samples ${samples}: expected a whole number from 1`);
  }
  if (all.length <= samples) return all;
  const table = { length: all.length, labelled: false, sample: (i: number) => ({ key: key(all[i] as number) }) };
  return selectRows(table, { limit: samples, seed }).map((i) => all[i] as number);
}

async function prepare(model: Model, args: Arguments, signal: AbortSignal): Promise<JobImages> {
  const say = (text: string): void => note(args, text);
  const seed = args.seed ?? 0;
  const { dataset, rows: all } = await openData(args, { labelled: false });
  const declared = declaredInputs(model);
  const views = viewOptions(args);
  const rows = chooseRows(all, args.samples ?? DEFAULT_SAMPLES, seed, (row) => dataset.sample(row).key);
  const batch = batchOf(args, [modelInput(declared, args.input).batch]);
  if (rows.length < FEW_SAMPLES)
    say(`${rows.length} images are few: from about 1000 on the statistics are near their best`);
  if (batch < SMALL_BATCH && args.method === 'batch') {
    say(`batches of ${batch} bias the deeper layers; use ${SMALL_BATCH} or more, better 32, or --method sequential`);
  }
  return {
    dataset,
    rows,
    transform: transformFor(args, declared, args.input, 0, 1),
    views: views && { ...views, seed },
    batch,
    workers: workersOf(args),
    onBadImage: args['on-bad-image'],
    note: say,
    signal,
  };
}

interface Collected {
  readonly measured: readonly MeasuredLayer[];
  readonly run: Omit<MomentsRun, 'processor'>;
  /** Images that were measured; with views each counts once a view. */
  readonly images: number;
}

/** The progress of one or several passes, each of which counts from 0. */
function passProgress(layers: number, total: number, quiet: boolean): { update(images: number): void; end(): void } {
  const bar = progress(`recalibrating ${layers} layers`, total, quiet);
  let [before, last] = [0, 0];
  return {
    update(images) {
      if (images < last) before += last;
      last = images;
      bar.update(before + images);
    },
    end: () => bar.end(),
  };
}

async function sequential(
  model: Model,
  layers: readonly BatchNormLayer[],
  job: JobImages,
  args: Arguments,
): Promise<Collected> {
  const total = job.rows.length * (job.views?.count ?? 1);
  const bar = passProgress(layers.length, total * new Set(layers.map(({ level }) => level)).size, args.quiet);
  try {
    const { measured, ran } = await recalibrateSequentially(model, layers, {
      device: parseDevice(args.device),
      threads: args.threads,
      batches: () => numberedBatches(job, ONE_WORKER),
      onProgress: (images) => bar.update(images),
    });
    if (!ran) throw new Error('a model with layers has levels');
    const { processor: _, ...run } = await momentsRun(model, layers, job, ran);
    return { measured, run, images: ran.images };
  } finally {
    bar.end();
  }
}

/** One pass of one worker; with --moments-out its batches are kept in a file. */
async function onePass(
  model: Model,
  layers: readonly BatchNormLayer[],
  job: JobImages,
  args: Arguments,
): Promise<Collected | undefined> {
  const worker = args.shard === undefined ? ONE_WORKER : parseShard(args.shard, process.env);
  const out = args['moments-out'];
  const mine = [...batchesOf(job, worker)];
  const bar = passProgress(
    layers.length,
    Math.min(job.rows.length * (job.views?.count ?? 1), mine.length * job.batch),
    args.quiet,
  );
  const found: BatchMoments[] = [];
  let ran: Ran;
  try {
    const options = {
      device: parseDevice(args.device),
      threads: args.threads,
      batches: () => numberedBatches(job, worker),
      onProgress: (images: number) => bar.update(images),
      batchNormalised: true,
    };
    ran = await collectMoments(model, layers, options, (batch) => found.push(batch));
  } finally {
    bar.end();
  }
  const run = await momentsRun(model, layers, job, ran);
  if (out !== undefined) {
    const sha256 = writeMomentsFile(out, run, withEmptyBatches(found, mine, layers), { force: args.force });
    if (args.out === undefined) {
      const document = { moments: { path: out, sha256, batches: mine.length, batches_in_all: run.batches } };
      print(args, document, `${out}  ${mine.length} of ${run.batches} batches  sha256 ${sha256}\n`);
      return undefined;
    }
  }
  const { processor: _, ...shared } = run;
  return { measured: measure(layers, args.estimator, found), run: shared, images: imagesOf(found) };
}

const ONE_WORKER = { index: 0, count: 1 };
const imagesOf = (batches: Iterable<BatchMoments>): number => {
  let images = 0;
  for (const batch of batches) images += batch.images;
  return images;
};

/** What can be refused before any work. @throws TemperError USAGE, OUTPUT_EXISTS, OUTPUT_IS_INPUT */
function checkOptions(model: Model, args: Arguments): void {
  const { out, shard, method, csv, estimator, prior = 0 } = args;
  const moments = args['moments-out'];
  if (out === undefined && moments === undefined) {
    throw new TemperError('USAGE', 'no output is named', {
      hint: 'Give --out FILE (or --moments-out FILE, for a worker).',
    });
  }
  if (shard !== undefined && (out !== undefined || moments === undefined)) {
    throw new TemperError('USAGE', '--shard makes a part of the statistics', {
      hint: 'Give --moments-out FILE for each worker, and put the files together with bn-recal merge.',
    });
  }
  if (method === 'sequential' && moments !== undefined) {
    throw new TemperError('USAGE', '--method sequential makes no moments of batches', {
      hint: 'Leave --moments-out out.',
    });
  }
  if (method === 'sequential' && estimator !== 'population') {
    throw new TemperError(
      'USAGE',
      `--method sequential with --estimator ${estimator}: it gives exact population statistics`,
      { hint: 'Leave one of them out.' },
    );
  }
  checkResult(model, [out, moments, csv], prior, args.force);
}

/** What `merge` has too. @throws TemperError USAGE, OUTPUT_EXISTS, OUTPUT_IS_INPUT */
function checkResult(model: Model, paths: readonly (string | undefined)[], prior: number, force: boolean): void {
  if (prior < 0) throw new TemperError('USAGE', `--prior ${prior}: expected a number of images, 0 or more`);
  const outputs = paths.filter((path) => path !== undefined);
  if (new Set(outputs.map((path) => resolve(path))).size < outputs.length) {
    throw new TemperError('USAGE', `two outputs have one name: ${outputs.join(', ')}`, {
      hint: 'Give each file a name of its own.',
    });
  }
  for (const path of outputs) assertOutput(model, path, force);
}

/** Opened before the statistics are measured: a mistake in its name or labels must not cost that work. */
async function openGuard(args: Readonly<Record<string, unknown>>): Promise<ChosenData | undefined> {
  const guardData = argumentsOf('guard', args);
  return guardData.data === undefined ? undefined : openData(guardData, { labelled: true });
}

async function recalibrate(args: Arguments): Promise<void> {
  const signal = interruptSignal();
  const say = (text: string): void => note(args, text);
  const model = openModel(args.model);
  let guardData: ChosenData | undefined;
  try {
    checkOptions(model, args);
    const found = findLayers(model);
    const layers = chooseLayers(found.layers, args.layers === undefined ? [] : stringList(args.layers));
    for (const { name, reason } of found.skipped) say(`${name} is left as it is: ${reason}`);
    guardData = await openGuard(args);
    const job = await prepare(model, args, signal);
    try {
      const collected = await (args.method === 'sequential' ? sequential : onePass)(model, layers, job, args);
      if (collected) await finish(model, collected, args, guardData, signal);
    } finally {
      await job.dataset.close();
    }
  } finally {
    await guardData?.dataset.close();
    model.close();
  }
}

async function merge(args: MergeArguments): Promise<void> {
  if (args.out === undefined) throw new TemperError('USAGE', 'no output is named', { hint: 'Give --out FILE.' });
  const signal = interruptSignal();
  const model = openModel(args.model);
  const sources = args.moments.map(openFile);
  let guardData: ChosenData | undefined;
  try {
    checkResult(model, [args.out, args.csv], args.prior ?? 0, args.force);
    guardData = await openGuard(args);
    const merged = mergeMomentsFiles(sources.map(readMomentsFile));
    const sha256 = await modelSha256(model);
    if (sha256 !== merged.run.model_sha256) {
      throw new TemperError(
        'MISMATCH_VALUE',
        `${args.model}: is not the model that the moments are of (SHA-256 ${sha256}, expected ${merged.run.model_sha256})`,
        {
          hint: 'Name the model that the workers were given.',
          details: { path: args.model, found: sha256, expected: merged.run.model_sha256 },
        },
      );
    }
    if (merged.processors.length > 1) {
      note(
        args,
        `the workers ran on ${merged.processors.join(' and ')}: bytes may differ from those of one worker by roundings`,
      );
    }
    const wanted = new Set(merged.run.layers.map(({ name }) => name));
    const layers = findLayers(model).layers.filter(({ name }) => wanted.has(name));
    const measured = measure(layers, args.estimator, merged.batches());
    await finish(
      model,
      { measured, run: merged.run, images: imagesOf(merged.batches()) },
      { ...args, method: 'batch' },
      guardData,
      signal,
    );
  } finally {
    await guardData?.dataset.close();
    for (const source of sources) source.close();
    model.close();
  }
}

interface FinishArguments extends EvaluateArguments, Talk {
  readonly out?: string | undefined;
  readonly csv?: string | undefined;
  readonly prior?: number | undefined;
  readonly estimator: EstimatorName;
  readonly method: 'batch' | 'sequential';
  readonly force: boolean;
  readonly 'allow-worse': boolean;
  readonly [guard: `guard-${string}`]: unknown;
}

/** Blends, reports, asks the guard, and writes. */
async function finish(
  model: Model,
  { measured, run, images }: Collected,
  args: FinishArguments,
  guardData: ChosenData | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { out } = args;
  if (out === undefined) throw new Error('the output was checked before');
  const prior = args.prior ?? 0;
  const { reports, edits, inline } = recalibrated(model, measured, prior, images);
  for (const text of shiftWarnings(reports)) note(args, text);
  const rows = reports.map(csvRow);
  if (args.csv !== undefined)
    writeFileAtomic(args.csv, csvText(Object.keys(rows[0] ?? {}), rows), { force: args.force });
  const guard = guardData && (await guardEdits(model, edits, guardData, args, signal));
  const refused = guard !== undefined && !guard.better && !args['allow-worse'];
  const { version: _, model_sha256: __, layers, views, transform, ...settings } = run;
  const record = {
    tool: 'onnx-temper',
    version,
    command: 'bn-recal',
    input: await modelHashes(model),
    ...settings,
    transform: JSON.parse(transform) as unknown,
    views: JSON.parse(views) as unknown,
    layers: layers.length,
    n_images: images,
    estimator: args.estimator,
    method: args.method,
    prior,
  };
  const metadata = { key: nextStepKey(model.record), value: canonicalJson(record) };
  const written = refused ? undefined : writeEdited(model, edits, { path: out, force: args.force, inline, metadata });
  const outText = written
    ? `${written.path}  ${written.bytes} bytes  sha256 ${written.sha256}\n`
    : 'nothing was written: the guard found no improvement (--allow-worse writes all the same)\n';
  const document = {
    output: written ?? null,
    csv: args.csv ?? null,
    n_images: images,
    guard: guard
      ? {
          better: guard.better,
          top1_before: guard.before,
          top1_after: guard.after,
          mcnemar_p: guard.paired.p,
          n_images: guard.paired.n,
        }
      : null,
    layers: reports,
  };
  const csvLine = args.csv === undefined ? '' : `${args.csv}: the table of layers\n`;
  const summary = `${measured.length} layers from ${images} images (${run.batches} batches of ${run.batch_size})\n`;
  print(
    args,
    document,
    `${layersText(reports)}\n${summary}${guard ? `guard: ${guard.text}\n` : ''}${csvLine}${outText}`,
  );
  if (refused) process.exitCode = 1;
}

function addBnRecal(parser: Argv): Argv {
  return parser.command(
    '$0 <model>',
    'Recompute BatchNormalization statistics over a data set, after averaging or for another size or domain',
    (y) =>
      y
        .positional('model', {
          type: 'string',
          demandOption: true,
          describe: 'ONNX model with BatchNormalization kept',
        })
        .options(ALL)
        .example(
          '$0 swa.onnx --data train/ --augment rrc,flip --out swa-bn.onnx',
          'on the views that it was trained with',
        )
        .example(
          '$0 swa.onnx --data train/ --size 288 --guard-data val/ --out swa-288.onnx',
          'for another size, if that is better',
        ),
    async (args) => recalibrate(args as unknown as Arguments),
  );
}

function addMerge(parser: Argv): Argv {
  return parser.command(
    'merge <moments..>',
    'Put the moments of all workers together: the bytes that one worker would have written',
    (y) =>
      y
        .positional('moments', { type: 'string', array: true, demandOption: true, describe: 'Files of --moments-out' })
        .options(MERGE)
        .example('$0 merge parts/*.safetensors --model swa.onnx --out swa-bn.onnx', ''),
    async (args) => merge(args as unknown as MergeArguments),
  );
}

/** bn-recal with its subcommand. */
export function addBnRecalCommands(parser: Argv): Argv {
  return addMerge(addBnRecal(parser));
}

await mainIfProgram(import.meta.url, 'bn-recal', addBnRecalCommands);
