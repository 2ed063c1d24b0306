import { join } from 'node:path';
import type { FieldRow } from '../../core/index.ts';
import { calibrate, type Predictions, reliabilityBins } from '../../evaluate/index.ts';
import { modelFileSha256 } from '../../onnx/index.ts';
import { evidenceOf } from '../verdict.ts';
import { type Current, observed, type Proposal, runtimeOf, type Step, type StepRun } from './step.ts';

const FILE = 'model.onnx';

/** A reliability diagram as rows. */
const binRows = (stage: string, predictions: Predictions): FieldRow[] =>
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
  const lost = difference.top1.difference < 0;
  return {
    chose: `temperature ${temperature?.toFixed(4)}`,
    among: `one number, fitted on ${record.fitted} images`,
    ...(lost ? {} : { evidence: evidenceOf(before.predictions, after.predictions, 'nll') }),
    model: { file: FILE, sha256: await modelFileSha256(out) },
    ...(current.transform ? { transform: current.transform } : {}),
    rows: [...binRows('before', before.predictions), ...binRows('after', after.predictions)],
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
    warnings: lost ? ['the calibrated model got fewer images right: it is left out'] : [],
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
