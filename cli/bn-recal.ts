#!/usr/bin/env node
import { basename, resolve } from 'node:path';
import type { Argv, InferredOptionTypes, Options } from 'yargs';
import {
  type BatchNormLayer,
  chooseLayers,
  ESTIMATORS,
  findLayers,
  type LayerReport,
  type MeasuredLayer,
  type Ran,
  recalibrateByBatch,
  recalibrateSequentially,
  shiftWarnings,
} from '../src/batchnorm/index.ts';
import { TemperError, writeFileAtomic } from '../src/core/index.ts';
import { selectRows, transformHash } from '../src/data/index.ts';
import { assertOutput, type Model, nextStepKey, openModel, writeEdited } from '../src/onnx/index.ts';
import { csvText, type FieldRow } from '../src/report/index.ts';
import { parseDevice } from '../src/runtime/index.ts';
import { argumentsOf, type ChosenData, DATA, openData, prefixedData } from './support/data-options.ts';
import { sha256OfFile } from './support/evaluate-models.ts';
import { interruptSignal, mainIfProgram } from './support/main.ts';
import { declaredInputs } from './support/model-inputs.ts';
import { grouped, oneNumber, stringList } from './support/option-values.ts';
import { note, print, TALK, WRITE } from './support/output-options.ts';
import { progress } from './support/progress.ts';
import {
  batchCount,
  guardEdits,
  type JobImages,
  numberedBatches,
  recalibrated,
  rowsHash,
} from './support/recalibration.ts';
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
  layers: { type: 'string', describe: 'Only these layers, with * for any characters; several with commas' },
  'allow-worse': { type: 'boolean', default: false, describe: 'Write although the guard says that it is no better' },
} as const satisfies Record<string, Options>);

const OUT = grouped('Output:', {
  out: { type: 'string', describe: 'The recalibrated model' },
  csv: { type: 'string', describe: 'The table of layers as CSV' },
} as const satisfies Record<string, Options>);

const GUARD = prefixedData('guard', 'on which the result must be better, or nothing is written');
const ALL = { ...OUT, ...RECALIBRATION, ...DATA, ...GUARD, ...VIEWS, ...TRANSFORM, ...RUNTIME, ...WRITE, ...TALK };
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

const seedOf = (args: Arguments): number => args.seed ?? 0;

/** What can be refused before any work. @throws TemperError USAGE, OUTPUT_EXISTS, OUTPUT_IS_INPUT */
function checkOptions(model: Model, out: string, args: Arguments): void {
  const { csv, force, prior = 0, method, estimator } = args;
  assertOutput(model, out, force);
  if (csv !== undefined) assertOutput(model, csv, force);
  if (csv !== undefined && resolve(csv) === resolve(out))
    throw new TemperError('USAGE', `--csv ${csv}: is the --out too`, { hint: 'Give each file a name of its own.' });
  if (prior < 0) throw new TemperError('USAGE', `--prior ${prior}: expected a number of images, 0 or more`);
  if (method === 'sequential' && estimator !== 'population') {
    throw new TemperError(
      'USAGE',
      `--method sequential with --estimator ${estimator}: it gives exact population statistics`,
      { hint: 'Leave one of them out.' },
    );
  }
}

/** Opened before the statistics are measured: a mistake in its name or labels must not cost that work. */
async function openGuard(args: Arguments): Promise<ChosenData | undefined> {
  const guardData = argumentsOf('guard', args);
  return guardData.data === undefined ? undefined : openData(guardData, { labelled: true });
}

async function prepare(model: Model, args: Arguments): Promise<JobImages> {
  const say = (text: string): void => note(args, text);
  const seed = seedOf(args);
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
  };
}

async function run(
  model: Model,
  layers: readonly BatchNormLayer[],
  job: JobImages,
  args: Arguments,
  signal: AbortSignal,
) {
  const passes = args.method === 'sequential' ? new Set(layers.map(({ level }) => level)).size : 1;
  const total = job.rows.length * (job.views?.count ?? 1) * passes;
  const bar = progress(`recalibrating ${layers.length} layers`, total, args.quiet);
  let before = 0;
  let last = 0;
  const options = {
    device: parseDevice(args.device),
    threads: args.threads,
    batches: () => numberedBatches(job, { index: 0, count: 1 }),
    onProgress: (images: number) => {
      signal.throwIfAborted();
      // A new pass starts from 0.
      if (images < last) before += last;
      last = images;
      bar.update(before + images);
    },
  };
  try {
    if (args.method === 'batch') return await recalibrateByBatch(model, layers, args.estimator, options);
    const { measured, ran } = await recalibrateSequentially(model, layers, options);
    if (!ran) throw new Error('a model with layers has levels');
    return { measured, ran };
  } finally {
    bar.end();
  }
}

async function recordOf(
  model: Model,
  job: JobImages,
  args: Arguments,
  { provider, onnxruntime }: Ran,
  n_images: number,
  layers: number,
): Promise<object> {
  const data = await Promise.all(
    model.externalLocations.map(async (location) => ({
      location,
      sha256: await sha256OfFile(model.external(location).path),
    })),
  );
  return {
    tool: 'onnx-temper',
    version,
    command: 'bn-recal',
    input: { file: basename(model.path), sha256: await sha256OfFile(model.path), ...(data.length > 0 ? { data } : {}) },
    data: basename(job.dataset.source),
    data_table_sha256: job.dataset.tableHash(),
    rows_sha256: rowsHash(job.rows),
    n_images,
    seed: seedOf(args),
    views: job.views ?? null,
    transform: job.transform,
    transform_sha256: transformHash(job.transform),
    batch: job.batch,
    estimator: args.estimator,
    method: args.method,
    prior: args.prior ?? 0,
    layers,
    layer_patterns: args.layers ?? null,
    provider,
    onnxruntime,
  };
}

async function recalibrate(args: Arguments): Promise<void> {
  const say = (text: string): void => note(args, text);
  const { out } = args;
  if (out === undefined) throw new TemperError('USAGE', 'no output is named', { hint: 'Give --out FILE.' });
  const model = openModel(args.model);
  const signal = interruptSignal();
  let guardData: ChosenData | undefined;
  try {
    checkOptions(model, out, args);
    const found = findLayers(model);
    const layers = chooseLayers(found.layers, args.layers === undefined ? [] : stringList(args.layers));
    for (const { name, reason } of found.skipped) say(`${name} is left as it is: ${reason}`);
    guardData = await openGuard(args);
    const job = await prepare(model, args);
    try {
      await finish(model, job, await run(model, layers, job, args, signal), args, out, guardData, signal);
    } finally {
      await job.dataset.close();
    }
  } finally {
    await guardData?.dataset.close();
    model.close();
  }
}

async function finish(
  model: Model,
  job: JobImages,
  { measured, ran }: { readonly measured: readonly MeasuredLayer[]; readonly ran: Ran },
  args: Arguments,
  out: string,
  guardData: ChosenData | undefined,
  signal: AbortSignal,
): Promise<void> {
  // Fewer than were chosen where bad images are left out.
  const images = ran.images / (job.views?.count ?? 1);
  const { reports, edits, inline } = recalibrated(model, measured, args.prior ?? 0, ran.images);
  for (const text of shiftWarnings(reports)) note(args, text);
  const fields = Object.keys(reports[0] ?? {});
  if (args.csv !== undefined) writeFileAtomic(args.csv, csvText(fields, reports.map(csvRow)), { force: args.force });
  const guard = guardData && (await guardEdits(model, edits, guardData, args, signal));
  const refused = guard !== undefined && !guard.better && !args['allow-worse'];
  const written = refused
    ? undefined
    : writeEdited(model, edits, {
        path: out,
        force: args.force,
        inline,
        metadata: {
          key: nextStepKey(model.record),
          value: JSON.stringify(await recordOf(model, job, args, ran, images, measured.length)),
        },
      });
  const summary = `${measured.length} layers from ${images} images${job.views ? ` x ${job.views.count} views` : ''} (${batchCount(job)} batches of ${job.batch})`;
  const guardText = guard ? `guard: ${guard.text}\n` : '';
  const tableText = args.csv === undefined ? '' : `${args.csv}: the table of layers\n`;
  const outText = written
    ? `${written.path}  ${written.bytes} bytes  sha256 ${written.sha256}\n`
    : `nothing was written: the guard found no improvement (--allow-worse writes all the same)\n`;
  const guardDocument = guard && {
    better: guard.better,
    top1_before: guard.before,
    top1_after: guard.after,
    mcnemar_p: guard.paired.p,
    n_images: guard.paired.n,
  };
  print(
    args,
    { output: written ?? null, csv: args.csv ?? null, n_images: images, guard: guardDocument ?? null, layers: reports },
    `${layersText(reports)}\n${summary}\n${guardText}${tableText}${outText}`,
  );
  if (refused) process.exitCode = 1;
}

/** bn-recal: BatchNormalization statistics that fit the weights. */
export function addBnRecal(parser: Argv): Argv {
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

await mainIfProgram(import.meta.url, 'bn-recal', addBnRecal);
