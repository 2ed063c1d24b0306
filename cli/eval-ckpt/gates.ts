import { type FieldRow, TemperError } from '../../src/core/index.ts';
import { calibrationDifference, classRows, type EvaluatedModel } from '../../src/evaluate/index.ts';
import { type Gate, missedGates, needsBaseline, parseGate } from '../shared/gate.ts';

interface GateArguments {
  readonly gate?: string | undefined;
  readonly baseline?: string | undefined;
  readonly seed?: number | undefined;
}

/** @throws TemperError USAGE for a gate on a difference to nothing */
export function gatesOf({ gate, baseline }: GateArguments): Gate[] {
  const gates = gate === undefined ? [] : gate.split(',').map(parseGate);
  const idle = baseline === undefined ? gates.find(needsBaseline) : undefined;
  if (!idle) return gates;
  throw new TemperError('USAGE', `--gate ${idle.text}: a difference to what?`, {
    hint: 'Name a model or its --per-image file with --baseline.',
    details: { gate: idle.text },
  });
}

/** What gates can ask for beside the row's own fields, measured only if they do. */
function furtherFields(
  model: EvaluatedModel,
  baseline: EvaluatedModel | undefined,
  gates: readonly Gate[],
  seed: number,
): FieldRow {
  const asks = (pattern: RegExp): boolean => gates.some(({ field }) => pattern.test(field));
  const further: Record<string, number | undefined> = {};
  if (baseline && asks(/^(brier|ece15)_difference/)) {
    const { brier, ece } = calibrationDifference(baseline.predictions, model.predictions, seed);
    for (const [name, { difference, lo, hi }] of Object.entries({ brier, ece15: ece })) {
      Object.assign(further, {
        [`${name}_difference`]: difference,
        [`${name}_difference_lo`]: lo,
        [`${name}_difference_hi`]: hi,
      });
    }
  }
  if (baseline && asks(/^img_s_ratio$/)) {
    const [own, other] = [model.fields.img_s_model, baseline.fields.img_s_model];
    further.img_s_ratio = typeof own === 'number' && typeof other === 'number' ? own / other : undefined;
  }
  if (asks(/^recall_/)) {
    const rows = classRows(model.predictions).filter(({ support }) => Number(support) > 0);
    for (const row of rows) further[`recall_${row.class}`] = Number(row.recall);
    further.recall_min = rows.reduce((least, { recall }) => Math.min(least, Number(recall)), 1);
  }
  return further;
}

/** Why models miss gates; the baseline is asked for nothing. */
export function missedBy(
  models: readonly EvaluatedModel[],
  gates: readonly Gate[],
  { baseline, seed = 0 }: GateArguments,
): string[] {
  const [first, ...others] = models;
  const asked = baseline === undefined ? models : others;
  const reference = baseline === undefined ? undefined : first;
  return asked.flatMap((model) =>
    missedGates(gates, { ...model.fields, ...furtherFields(model, reference, gates, seed) }),
  );
}
