import { version } from '../../core/index.ts';
import { snakeKeys } from '../key-case.ts';
import { partOf } from '../measured-fields.ts';
import { decisionFields } from '../publish.ts';
import type { FinishRecord } from '../record.ts';

/** The results as plain data: what `--json` prints. Times are under `measured`, and nowhere else. */
export function resultsDocument(record: FinishRecord): Readonly<Record<string, unknown>> {
  const { read, steps, final, improved, made, text, warnings, seconds } = record;
  const { sets, snapshots } = read;
  return {
    tool: 'onnx-temper',
    version,
    command: 'finish',
    improved,
    text,
    model_sha256: made.modelSha256,
    snapshots,
    images: {
      train: sets.train?.images ?? null,
      choosing: sets.choosing.images,
      selecting: sets.selecting.images,
      judging: sets.judging.images,
      reporting: sets.reporting.images,
    },
    steps: steps.map(decisionFields),
    gains: snakeKeys(final.gains.steps),
    total: snakeKeys(final.gains.total ?? null),
    models: final.rows,
    warnings,
    measured: {
      seconds,
      steps: steps.map(({ step, seconds: own }) => ({ step, seconds: own })),
      models: final.measured,
    },
  };
}

/** What each step tried, row by row: with the rest it makes `results.json`. */
export const triedDocument = ({ steps }: FinishRecord): Readonly<Record<string, unknown>> => ({
  tried: Object.fromEntries(
    steps.map(({ step, proposal }) => [step, (proposal?.rows ?? []).map((row) => partOf(row, false))]),
  ),
  measured_tried: Object.fromEntries(
    steps.map(({ step, proposal }) => [
      step,
      (proposal?.rows ?? []).map((row) => partOf(row, true)).filter((row) => Object.keys(row).length > 0),
    ]),
  ),
});
