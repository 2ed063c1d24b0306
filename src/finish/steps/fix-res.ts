import { join } from 'node:path';
import { fixRes } from '../../fixres/index.ts';
import { modelFileSha256 } from '../../onnx/index.ts';
import { sizeName } from '../../resolution/index.ts';
import type { Evidence } from '../verdict.ts';
import { type Current, observed, type Proposal, runtimeOf, type Step, type StepRun } from './step.ts';

const FILE = 'model.onnx';

async function propose(current: Current, run: StepRun, folder: string): Promise<Proposal> {
  const { settings, split, train, trainSize } = run.read;
  const { transform } = current;
  if (!train || !transform) throw new Error('fix-res is on with images alone');
  const out = join(folder, FILE);
  const record = await fixRes(
    {
      ...runtimeOf(run.read),
      model: current.model,
      train,
      val: split.judging,
      size: transform.crop,
      trainSize,
      transform,
      onBadImage: settings.onBadImage,
      seed: settings.seed,
      out,
      force: true,
      allowWorse: true,
    },
    observed(run),
  );
  const { paired } = record.verdict;
  const { difference, lo, hi } = paired.top1;
  const evidence: Evidence = { metric: 'top1', difference, lo, hi, p: paired.p, images: paired.n };
  return {
    chose: `${record.mode}, epoch ${record.epoch}`,
    among: `${record.history.length} epochs over ${record.images} images at ${sizeName(transform.crop)} px`,
    evidence,
    model: { file: FILE, sha256: await modelFileSha256(out) },
    transform,
    rows: record.history.map((row) => ({ ...row })),
    facts: { mode: record.mode, layer: record.layer?.name, tensors: record.changed.length },
    warnings: record.warnings,
  };
}

/** The last normalised layer and the classifier, tuned for the chosen size; judged on images that tuned nothing. */
export const FIX_RES: Step = {
  name: 'fix_res',
  title: 'FixRes',
  metric: 'top1',
  isOn: ({ settings, transform, train }) => settings.fixRes && transform !== undefined && train !== undefined,
  key: ({ read }) => [read.trainSize ?? null],
  propose,
};
