import { version } from '../../core/index.ts';
import { decisionFields } from '../publish.ts';
import type { FinishRecord } from '../record.ts';

/** The results as JSON: what a tracker reads. Times are under `measured`, and nowhere else. */
export function resultsDocument(record: FinishRecord): object {
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
    steps: steps.map((one) => ({ ...decisionFields(one), rows: (one.proposal?.rows ?? []).map(withoutTimes) })),
    gains: final.gains,
    models: final.rows,
    warnings,
    measured: {
      seconds,
      steps: steps.map((one) => ({
        step: one.step,
        seconds: one.seconds,
        rows: (one.proposal?.rows ?? []).map(timesOf),
      })),
      models: final.measured,
    },
  };
}

type Row = NonNullable<FinishRecord['steps'][number]['proposal']>['rows'][number];

const TIMES = /^(img_s_|ms_|speed_ratio|pareto|latency_ratio)/;
const withoutTimes = (row: Row): Row => Object.fromEntries(Object.entries(row).filter(([name]) => !TIMES.test(name)));
const timesOf = (row: Row): Row => Object.fromEntries(Object.entries(row).filter(([name]) => TIMES.test(name)));
