import { controlOf, type JobControl } from '../../core/index.ts';
import { type BadImageRecord, noteBadImages } from '../../data/index.ts';
import { labelWarnings } from '../../evaluate/index.ts';
import { sessionReading, workersOf } from '../../runtime/index.ts';
import { classesOf, type ModelReading } from '../../signature/index.ts';
import { sizeName } from '../sizes.ts';
import { chooseSizes, type ModelChoice } from './choices.ts';
import { mergeParts } from './merge-parts.ts';
import { type SweepPlanOptions, withSweep } from './open-sweep.ts';
import { predictSizes, type SizePrediction } from './predictions.ts';
import { type SweptCell, type SweptRow, sweptRows } from './rows.ts';
import { measureCells, sweptCells } from './run.ts';

/** What `sweep` measures, or puts together. */
export interface SweepOptions extends SweepPlanOptions {
  /** The folder of the rows of workers (`sweepShard`): they are put together, and nothing is measured. @default every row is measured */
  readonly parts?: string | undefined;
}

export interface SweepRecord {
  /** By model, size ascending, interpolation, crop ratio, variant. */
  readonly rows: readonly SweptRow[];
  /** One a model, where there is something to choose from. */
  readonly choices: readonly ModelChoice[];
  /** How each model was read, each fact with its source; the transform differs by row. */
  readonly readings: readonly { readonly model: string; readonly reading: ModelReading }[];
  /** One a model; absent without `scale`. */
  readonly predictions: readonly SizePrediction[] | undefined;
  /** What is odd about labels (at the train size) and pictures, in sentences; options are named in backticks. */
  readonly warnings: readonly string[];
  /** Images that could not be decoded and were left out of all rows. */
  readonly badImages: readonly BadImageRecord[];
}

/** Rows that could not be measured, or should not be believed, are said once each. */
function noteVerdicts(rows: readonly SweptRow[], note: (text: string) => void): void {
  for (const { size, model, verdict } of rows) {
    if (verdict.verdict !== 'safe') note(`${model} at ${sizeName(size)} px is ${verdict.verdict}: ${verdict.reason}`);
  }
}

/** Signs that labels are not what a model means; at its own size, as others may be too small to see anything. */
const labelsAtTrainSize = (swept: readonly SweptCell[]): string[] =>
  swept.flatMap(({ cell, model, outcome }) =>
    cell.baseline && !('failed' in outcome)
      ? labelWarnings(outcome.predictions, outcome.classes).map((text) => `${model.name}: ${text}`)
      : [],
  );

/**
 * Measures classifiers at many test sizes, crop ratios and interpolations in one pass over the images (each is decoded once),
 * says which sizes a graph can be trusted at, and recommends the cheapest row that is shown to lose at most `margin`: chosen on one
 * half of the images, reported on the other (Touvron et al., "Fixing the train-test resolution discrepancy", NeurIPS 2019, is
 * why another size than the train size may be better). Fractions are fractions, sizes pixels, `gmacs` 10^9
 * multiply-accumulates of one image. Memory: a session a model and a recalibrated row, two batches at all sizes, 48 bytes an
 * image and row.
 * @returns a record: `rows[i].fields` is the row of the table (docs/columns.md). A row that fails is `blocked`, with the reason
 * @throws TemperError USAGE, INPUT_*, FORMAT_*, UNSUPPORTED_*, MISMATCH_*, EXECUTION_* where no row could be measured; the
 * signal's reason
 * @example
 * const { rows, choices } = await sweep({
 *   models: ['swa.onnx'],
 *   data: { source: 'val/' },
 *   trainSize: 224,
 *   sizes: [192, 224, { ratio: 1.15 }, { ratio: 1.3 }],
 *   transform: { preset: 'timm' },
 * });
 * console.log(rows.map(({ size, fields }) => [size, fields.top1]), choices[0]?.recommended.size);
 */
export async function sweep(options: SweepOptions, control: JobControl = {}): Promise<SweepRecord> {
  const watched = controlOf(control);
  const { note, signal } = watched;
  const { scale, margin, parts, seed = 0 } = options;
  return withSweep(options, watched, async ({ models, cells, chosen, train, run }) => {
    const measured =
      parts === undefined
        ? await measureCells({ models, cells, grid: cells, chosen, train, options }, watched)
        : mergeParts(parts, run, cells, chosen, note);
    const swept = sweptCells(models, cells, measured);
    const predicted = scale && predictSizes(models, cells, measured.sources, scale, seed);
    const rows = sweptRows(swept, {
      dataset: chosen.dataset,
      data: options.data,
      skipped: measured.quarantine.length,
      seed,
      workers: workersOf(options),
      apparent: predicted?.apparent,
    });
    const choices = chooseSizes(rows, seed, margin);
    signal.throwIfAborted();
    noteBadImages(measured.quarantine, note);
    noteVerdicts(rows, note);
    const readings = models.map(({ name, graph, classes }) => {
      const ran = { classes: classesOf(classes), source: 'the first run' };
      return { model: name, reading: sessionReading(graph.session, options, ran) };
    });
    const labels = labelsAtTrainSize(swept);
    for (const text of labels) note(text);
    const warnings = [...labels, ...measured.pictureNotes];
    return { rows, choices, readings, predictions: predicted?.predictions, warnings, badImages: measured.quarantine };
  });
}
