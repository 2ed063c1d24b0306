import type { FieldRow } from '../../core/index.ts';
import { sizeText, type Transform } from '../../data/index.ts';
import {
  computeMetrics,
  evaluateStages,
  type GuardVerdict,
  guardVerdict,
  labelWarnings,
  type ModelEvaluation,
} from '../../evaluate/index.ts';
import { applyEdits, type Edit, externalDataOf } from '../../onnx/index.ts';
import { openSession, sessionOptions } from '../../runtime/index.ts';
import type { MeasuredSet } from './image-sets.ts';
import type { Run } from './run.ts';

/** A model before and after tuning, on one data set at one size. */
export interface SizeComparison {
  readonly set: MeasuredSet['name'];
  /** Pixels; HxW where it is no square. */
  readonly size: number | string;
  readonly verdict: GuardVerdict;
  /** The row of the table. */
  readonly fields: FieldRow;
}

/** Of a single image no spread is known. */
const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** @param pair the model before, and after */
function comparison(
  set: MeasuredSet['name'],
  transform: Transform,
  pair: readonly [ModelEvaluation, ModelEvaluation],
): SizeComparison {
  const verdict = guardVerdict(pair[0].predictions, pair[1].predictions);
  const [before, after] = [computeMetrics(pair[0].predictions), computeMetrics(pair[1].predictions)];
  const { paired } = verdict;
  const size = sizeText(transform);
  const fields = {
    set,
    test_size: size,
    n_images: paired.n,
    top1_before: verdict.before,
    top1_after: verdict.after,
    top1_difference: paired.top1.difference,
    top1_difference_lo: paired.top1.lo,
    top1_difference_hi: paired.top1.hi,
    mcnemar_p: paired.p,
    top5_before: before.top5,
    top5_after: after.top5,
    nll_before: before.nll,
    nll_after: after.nll,
    nll_difference: paired.nll.difference,
    nll_difference_lo: finite(paired.nll.lo),
    nll_difference_hi: finite(paired.nll.hi),
  };
  return { set, size, verdict, fields };
}

/** What was measured, and what is odd about labels and pictures, in sentences with options in backticks. */
interface ComparedSizes {
  readonly comparisons: SizeComparison[];
  readonly warnings: readonly string[];
}

/**
 * Measures the model before and after an edit, at both sizes on the same images, in one pass per data set. Nothing is written.
 * @returns by data set, the train size before the test size; one of each where they are equal
 */
export async function compareSizes(
  { options, subject: { model }, images, transforms: { train, test }, control }: Run,
  edits: readonly Edit[],
): Promise<ComparedSizes> {
  const choice = {
    ...sessionOptions({ device: options.device, threads: options.threads }),
    externalData: externalDataOf(model),
  };
  const before = await openSession({ ...choice, model: applyEdits(model, []), label: model.path });
  try {
    const after = await openSession({ ...choice, model: applyEdits(model, edits), label: `${model.path}, tuned` });
    try {
      const transforms = sizeText(train) === sizeText(test) ? [test] : [train, test];
      const stages = transforms.flatMap((transform) => [
        { session: before, transform, alone: transform === test ? before : undefined },
        { session: after, transform },
      ]);
      const found: SizeComparison[] = [];
      const warnings: string[] = [];
      for (const { name, data } of images.measured) {
        const label = `${name} before and after`;
        const { evaluations, pictureNotes } = await evaluateStages(stages, data, { ...options, label }, control);
        const [first] = evaluations;
        const labels = first ? labelWarnings(first.predictions, first.classes).map((text) => `${name}: ${text}`) : [];
        for (const text of labels) control.note(text);
        warnings.push(...labels, ...pictureNotes.map((text) => `${name}: ${text}`));
        for (const [i, transform] of transforms.entries()) {
          const [one, other] = evaluations.slice(2 * i);
          if (one && other) found.push(comparison(name, transform, [one, other]));
        }
      }
      return { comparisons: found, warnings };
    } finally {
      await after.close();
    }
  } finally {
    await before.close();
  }
}
