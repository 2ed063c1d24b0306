import type { FieldRow } from '../../src/core/index.ts';
import { type GuardVerdict, computeMetrics, guardVerdict } from '../../src/evaluate/index.ts';
import { type Edit, type Model, applyEdits, externalDataOf } from '../../src/onnx/index.ts';
import { openSession, parseDevice } from '../../src/runtime/index.ts';
import { type EvaluateArguments, evaluateSessions } from '../eval-ckpt/evaluate-models.ts';
import type { ChosenData } from '../shared/data-options.ts';
import { textTable } from '../shared/text-table.ts';

/** A data set that the model is measured on before and after, at each size. */
export interface MeasuredSet {
  readonly name: 'val' | 'shifted';
  readonly data: ChosenData;
}

export interface SizeComparison {
  readonly set: MeasuredSet['name'];
  readonly size: string;
  readonly verdict: GuardVerdict;
  readonly row: FieldRow;
}

function rowOf(
  set: string,
  size: string,
  verdict: GuardVerdict,
  nll: readonly number[],
  top5: readonly number[],
): FieldRow {
  const { before, after, paired } = verdict;
  return {
    set,
    test_size: Number.isNaN(Number(size)) ? size : Number(size),
    n_images: paired.n,
    top1_before: before,
    top1_after: after,
    top1_difference: paired.top1.difference,
    top1_difference_lo: paired.top1.lo,
    top1_difference_hi: paired.top1.hi,
    mcnemar_p: paired.p,
    top5_before: top5[0],
    top5_after: top5[1],
    nll_before: nll[0],
    nll_after: nll[1],
    nll_difference: paired.nll.difference,
    nll_difference_lo: Number.isFinite(paired.nll.lo) ? paired.nll.lo : null,
    nll_difference_hi: Number.isFinite(paired.nll.hi) ? paired.nll.hi : null,
  };
}

/** How images are prepared at a size: what replaces the size options. */
export interface SizeOptions {
  readonly size: string;
  readonly resize: string | undefined;
}

/**
 * Measures a model before and after an edit at every size, on the same images in one pass per data set, in pairs.
 * Nothing is written.
 */
export async function compareAtSizes(
  model: Model,
  edits: readonly Edit[],
  sets: readonly MeasuredSet[],
  sizes: readonly SizeOptions[],
  args: EvaluateArguments,
  signal: AbortSignal,
): Promise<SizeComparison[]> {
  const device = parseDevice(args.device);
  const externalData = externalDataOf(model);
  const open = (bytes: Uint8Array, label: string) =>
    openSession({
      model: bytes,
      externalData,
      device,
      label,
      ...(args.threads === undefined ? {} : { threads: args.threads }),
    });
  const [before, after] = [
    await open(applyEdits(model, []), model.path),
    await open(applyEdits(model, edits), `${model.path}, tuned`),
  ];
  try {
    const found: SizeComparison[] = [];
    const sessions = sizes.flatMap(() => [before, after]);
    const perSession = <T>(value: (size: SizeOptions) => T): T[] => sizes.flatMap((size) => [value(size), value(size)]);
    const resizes = perSession(({ resize }) => resize);
    const sized = {
      ...args,
      size: perSession(({ size }) => size),
      ...(resizes.every((resize) => resize !== undefined) ? { resize: resizes } : {}),
    };
    for (const { name, data } of sets) {
      const { evaluations } = await evaluateSessions(sessions, data, sized, { outputs: 'auto', signal });
      for (const [i, { size }] of sizes.entries()) {
        const pair = [evaluations[2 * i], evaluations[2 * i + 1]].map((evaluation) => {
          if (!evaluation) throw new Error('every session gives an evaluation');
          return evaluation.predictions;
        });
        const verdict = guardVerdict(pair[0] as never, pair[1] as never);
        const metrics = pair.map(computeMetrics);
        const row = rowOf(
          name,
          size,
          verdict,
          metrics.map(({ nll }) => nll),
          metrics.map(({ top5 }) => top5),
        );
        found.push({ set: name, size, verdict, row });
      }
    }
    return found;
  } finally {
    await Promise.all([before.close(), after.close()]);
  }
}

const percent = (value: number): string => `${(100 * value).toFixed(2)} %`;
const signed = (value: number, digits: number): string => `${value < 0 ? '' : '+'}${value.toFixed(digits)}`;

/** The comparisons as a table for people. */
export function comparisonText(comparisons: readonly SizeComparison[]): string {
  return textTable(
    ['set', 'size', 'top-1 before', 'after', 'difference (95 %)', 'p', 'NLL before', 'after'],
    comparisons.map(({ set, size, verdict: { before, after, paired }, row }) => [
      set,
      size,
      percent(before),
      percent(after),
      `${signed(100 * paired.top1.difference, 2)} (${signed(100 * paired.top1.lo, 2)} to ${signed(100 * paired.top1.hi, 2)})`,
      paired.p.toPrecision(2),
      Number(row.nll_before).toFixed(4),
      Number(row.nll_after).toFixed(4),
    ]),
  );
}
