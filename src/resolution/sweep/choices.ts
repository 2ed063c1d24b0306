import { chooseSize, type SizeCandidate, type SizeChoice } from '../choose-size.ts';
import { areaOf } from '../sizes.ts';
import type { Variant } from './plan.ts';
import type { SweptRow } from './rows.ts';

/** A model's choice, with the rows that it is about. */
export interface ModelChoice {
  readonly model: string;
  /** Its indices are those of `considered`. */
  readonly choice: SizeChoice;
  /** The row of the train size, as it is. */
  readonly baseline: SweptRow;
  readonly best: SweptRow;
  /** What the choosing half chose; it is recommended where the other half confirms it. */
  readonly chosen: SweptRow;
  readonly recommended: SweptRow;
  /** The model's safe rows, and the baseline. */
  readonly considered: readonly SweptRow[];
}

/** What a choice needs to know of a row. */
type ChoosableRow = Pick<SweptRow, 'size' | 'variant' | 'analysis'>;

/** What a variant asks of its user, beyond another size. */
const EFFORT: Readonly<Record<Variant, number>> = { keep: 0, 'test-pool': 1, recalibrated: 1 };

/** What an image costs in each row: by the graph where it is known for all rows, else by the number of pixels. */
export function costsOf(rows: readonly ChoosableRow[]): number[] {
  const gmacs = rows.map(({ analysis }) => analysis.gmacs);
  const known = gmacs.every((value) => value !== undefined);
  return rows.map(({ size }, i) => (known ? (gmacs[i] as number) : areaOf(size)));
}

function choiceAmong(considered: readonly SweptRow[], seed: number, margin?: number): ModelChoice | undefined {
  const at = considered.findIndex(({ baseline }) => baseline);
  const baseline = considered[at];
  if (!baseline || considered.length < 2) return undefined;
  const costs = costsOf(considered);
  const candidates = considered.flatMap(({ predictions, variant }, i): SizeCandidate[] =>
    predictions ? [{ predictions, cost: costs[i] as number, effort: EFFORT[variant] }] : [],
  );
  const choice = chooseSize(candidates, at, seed, margin);
  return (
    choice && {
      model: baseline.model,
      choice,
      baseline,
      best: considered[choice.best] as SweptRow,
      chosen: considered[choice.chosen] as SweptRow,
      recommended: considered[choice.recommended] as SweptRow,
      considered,
    }
  );
}

/**
 * Chooses for each model among its safe rows and the train size; nothing where there is nothing to choose from.
 * @param margin top-1 that may be lost, a fraction
 */
export function chooseSizes(rows: readonly SweptRow[], seed: number, margin?: number): ModelChoice[] {
  return [...new Set(rows.map(({ model }) => model))].flatMap((model) => {
    const considered = rows.filter(
      (row) => row.model === model && row.predictions && (row.verdict.verdict === 'safe' || row.baseline),
    );
    return choiceAmong(considered, seed, margin) ?? [];
  });
}
