import { type FieldRow, pValueStatement } from '../core/index.ts';
import { evaluate } from '../evaluate/index.ts';
import { formatNumber } from '../report/index.ts';
import { partOf } from './measured-fields.ts';
import { type Current, observed, runtimeOf, type Step, type StepRun } from './steps/step.ts';
import { type Gain, type Gains, gainsOf } from './verdict.ts';

/** A model on the images that report: the last snapshot, then what each step made of it. */
export interface Stage {
  readonly name: string;
  readonly current: Current;
}

/** What the images that report say; plain data. */
export interface FinalRecord {
  /** A row a stage (docs/columns.md), without what was measured of time. */
  readonly rows: readonly FieldRow[];
  readonly gains: Gains;
  /** Speed of each stage: it differs from run to run. */
  readonly measured: readonly FieldRow[];
  readonly provider: string;
  readonly onnxruntime: string;
  readonly classNames: readonly string[];
  readonly warnings: readonly string[];
}

/** Reads the images that report, once, with all stages side by side. */
export async function reportStages(
  stages: readonly Stage[],
  taken: readonly Step[],
  run: StepRun,
): Promise<FinalRecord> {
  const { settings, split, sets } = run.read;
  const { models, classNames } = await evaluate(
    {
      ...runtimeOf(run.read),
      models: stages.map(({ current }) => current.model),
      data: split.reporting,
      ...(sets.val.isImages ? { transform: stages.map(({ current }) => current.transform ?? {}) } : {}),
      onBadImage: settings.onBadImage,
      seed: settings.seed,
    },
    observed(run),
  );
  const rows = models.map(({ fields }) => fields);
  const staged = (isMeasured: boolean) =>
    rows.map((row, i): FieldRow => ({ stage: stages[i]?.name, ...partOf(row, isMeasured) }));
  const predictions = models.map((model) => model.predictions);
  return {
    rows: staged(false),
    gains: gainsOf(
      predictions,
      taken.map(({ metric }) => metric),
    ),
    measured: staged(true),
    provider: String(rows[0]?.provider),
    onnxruntime: String(rows[0]?.onnxruntime),
    classNames,
    warnings: [...new Set(models.flatMap(({ warnings }) => warnings))],
  };
}

/** "+1.20 points (+0.31 to +2.09), p = 0.008" */
export function gainText({
  metric,
  difference,
  lo,
  hi,
  p,
}: Pick<Gain, 'metric' | 'difference' | 'lo' | 'hi' | 'p'>): string {
  const form = metric === 'top1' ? { percent: true, signed: true } : { digits: 4, signed: true };
  const [value, low, high] = [difference, lo, hi].map((number) => formatNumber(number, form));
  const unit = metric === 'top1' ? 'points of top-1' : 'of NLL';
  return `${value} ${unit} (${low} to ${high}), ${pValueStatement(p)}`;
}
