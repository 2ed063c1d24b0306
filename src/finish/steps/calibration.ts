import { join } from 'node:path';
import type { FieldRow } from '../../core/index.ts';
import { type CalibrationRecord, calibrate, imageScores, isRangeEnd, reliabilityBins } from '../../evaluate/index.ts';
import { modelFileSha256 } from '../../onnx/index.ts';
import { evidenceOf } from '../verdict.ts';
import { type Current, observed, type Proposal, runtimeOf, type Step, type StepRun } from './step.ts';

const FILE = 'model.onnx';

type Judged = CalibrationRecord['before'];

/** Of right and of wrong answers: a mean NLL of fewer says nothing of what the rarer ones cost (the rule of thumb n p ≥ 5). */
const LEAST_OF_EACH = 5;

/** Why a calibration cannot be judged, whatever its NLL; undefined where it can. Pure. */
export function doubtOf(
  { predictions }: Pick<Judged, 'predictions'>,
  { temperature = 1, lost }: { readonly temperature: number | undefined; readonly lost: number },
): string | undefined {
  if (isRangeEnd(temperature)) {
    return `no temperature is best for the images that fit, ${
      temperature < 1 ? 'all of which are right by a margin' : 'of whose labels the scores say nothing'
    }`;
  }
  if (lost > 0) return `it got ${lost} fewer images right`;
  const { top1 } = imageScores(predictions);
  const right = top1.reduce((sum, one) => sum + one, 0);
  const fewest = Math.min(right, top1.length - right);
  if (fewest >= LEAST_OF_EACH) return undefined;
  const kind = fewest === right ? 'right' : 'wrong';
  return `${fewest} of the ${top1.length} images that judge are answered ${kind}, and fewer than ${LEAST_OF_EACH} cannot tell`;
}

/** A reliability diagram as rows. */
const binRows = (stage: string, { predictions }: Judged): FieldRow[] =>
  reliabilityBins(predictions).map(({ interval, ...bin }) => ({ stage, ...bin, lo: interval?.lo, hi: interval?.hi }));

async function propose(current: Current, run: StepRun, folder: string): Promise<Proposal> {
  const { settings, split } = run.read;
  const out = join(folder, FILE);
  const record = await calibrate(
    {
      ...runtimeOf(run.read),
      model: current.model,
      val: split.choosing,
      transform: current.transform,
      onBadImage: settings.onBadImage,
      seed: settings.seed,
      out,
      force: true,
      allowWorse: true,
    },
    observed(run),
  );
  const { before, after, temperature, difference } = record;
  const lost = Math.round(-difference.top1.difference * record.judged);
  const doubt = doubtOf(before, { temperature, lost });
  return {
    chose: `temperature ${temperature?.toFixed(4)}`,
    among: `one number, fitted on ${record.fitted} images`,
    ...(doubt === undefined ? { evidence: evidenceOf(before.predictions, after.predictions, 'nll') } : { doubt }),
    model: { file: FILE, sha256: await modelFileSha256(out) },
    ...(current.transform ? { transform: current.transform } : {}),
    rows: [...binRows('before', before), ...binRows('after', after)],
    facts: {
      temperature,
      written_as: record.writtenAs,
      nll_before: before.metrics.nll,
      nll_after: after.metrics.nll,
      ece15_before: before.metrics.ece,
      ece15_after: after.metrics.ece,
      ece15_if_calibrated_before: before.metrics.eceCalibrated,
      ece15_if_calibrated_after: after.metrics.eceCalibrated,
    },
    warnings: [],
  };
}

/** A temperature, judged by the NLL. */
export const CALIBRATION: Step = {
  name: 'calibration',
  title: 'calibration',
  metric: 'nll',
  isOn: ({ settings }) => settings.calibrate,
  key: () => ['temperature'],
  propose,
};
