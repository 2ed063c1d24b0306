import { basename } from 'node:path';
import { type EstimatorName, type LayerReport, shiftWarnings } from '../../src/batchnorm/index.ts';
import { type FieldRow, canonicalJson, version, writeFileAtomic } from '../../src/core/index.ts';
import { type Model, modelHashes, nextStepKey, writeEdited } from '../../src/onnx/index.ts';
import { csvText, plainDecimal } from '../../src/report/index.ts';
import type { EvaluateArguments } from '../eval-ckpt/evaluate-models.ts';
import { argumentsOf, type ChosenData, openData } from '../shared/data-options.ts';
import { note, print, type Talk } from '../shared/output-options.ts';
import { commandLine, writeReport } from '../shared/report-file.ts';
import { textTable } from '../shared/text-table.ts';
import type { Collected } from './batch-pass.ts';
import { guardEdits, recalibrated } from './recalibration.ts';
import { recalibrationPage } from './recalibration-report.ts';

/** Variances of layers differ by orders of magnitude. */
const fourDigits = (value: number): string =>
  Number.isFinite(value) ? plainDecimal(Number(value.toPrecision(4))) : String(value);

const LEGEND =
  'shift: of the mean, in old standard deviations; var ratio: new variance over old; max: the largest of the channels, old and new\n';

function layersText(reports: readonly LayerReport[]): string {
  const table = textTable(
    [
      ...['layer', 'channels', 'shift rms', 'max', 'var ratio min', 'median', 'max'],
      ...['|mean| max', 'new', 'var max', 'new', 'zero var'],
    ],
    reports.map((r) => [
      r.layer,
      String(r.channels),
      r.mean_shift_rms.toFixed(4),
      r.mean_shift_max.toFixed(4),
      r.variance_ratio_min.toFixed(4),
      r.variance_ratio_median.toFixed(4),
      r.variance_ratio_max.toFixed(4),
      ...[r.mean_abs_max_before, r.mean_abs_max_after, r.variance_max_before, r.variance_max_after].map(fourDigits),
      String(r.zero_variance_channels),
    ]),
  );
  return `${table}${LEGEND}`;
}

/** Statistics in the file that are no numbers, or negative variances, leave shifts and ratios unmeasured. */
const csvRow = (report: LayerReport): FieldRow =>
  Object.fromEntries(
    Object.entries(report).map(([field, value]) => [field, Number.isNaN(value) ? null : (value as string | number)]),
  );

/** The guard's images. Opened before the statistics are measured: a mistake in its name or labels must not cost that work. */
export async function openGuard(args: Readonly<Record<string, unknown>>): Promise<ChosenData | undefined> {
  const guardData = argumentsOf('guard', args);
  return guardData.data === undefined ? undefined : openData(guardData, { labelled: true });
}

interface ResultArguments extends EvaluateArguments, Talk {
  readonly out?: string | undefined;
  readonly csv?: string | undefined;
  readonly report?: string | undefined;
  readonly prior?: number | undefined;
  readonly estimator: EstimatorName;
  readonly method: 'batch' | 'sequential';
  readonly force: boolean;
  readonly 'allow-worse': boolean;
  readonly [guard: `guard-${string}`]: unknown;
}

/**
 * Blends, reports, asks the guard, and writes.
 * @returns whether the model was written: not if the guard refuses, which is exit code 1
 */
export async function writeResult(
  model: Model,
  { measured, run, images }: Collected,
  args: ResultArguments,
  guardData: ChosenData | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const { out } = args;
  if (out === undefined) throw new Error('the output was checked before');
  const prior = args.prior ?? 0;
  const { reports, edits, inline } = recalibrated(model, measured, prior, images);
  const warnings = shiftWarnings(reports);
  for (const text of warnings) note(args, text);
  const rows = reports.map(csvRow);
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
  // Not before the guard: a run that was killed there is repeated by the same command.
  if (args.csv !== undefined)
    writeFileAtomic(args.csv, csvText(Object.keys(rows[0] ?? {}), rows), { force: args.force });
  const written = refused ? undefined : writeEdited(model, edits, { path: out, force: args.force, inline, metadata });
  if (args.report !== undefined) {
    const done = {
      model: basename(model.path),
      images,
      layers: reports,
      warnings,
      guard,
      written: written !== undefined,
    };
    writeReport(args.report, recalibrationPage(done, record, commandLine('bn-recal')), args.force);
  }
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
    warnings,
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
  return !refused;
}
