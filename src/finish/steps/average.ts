import { join } from 'node:path';
import { evaluate } from '../../evaluate/index.ts';
import { modelFileSha256 } from '../../onnx/index.ts';
import { searchAverages } from '../../search/index.ts';
import { snapshotOptions } from '../read.ts';
import { evidenceOf } from '../verdict.ts';
import { type Current, observed, type Proposal, runtimeOf, type Step, type StepRun, statisticsImages } from './step.ts';

const FILE = 'model.onnx';

/** Both models on the half that the search did not choose by. */
async function judge(current: Current, path: string, run: StepRun) {
  const { settings, split, transform } = run.read;
  const { models } = await evaluate(
    {
      ...runtimeOf(run.read),
      models: [current.model, path],
      data: split.judging,
      transform,
      onBadImage: settings.onBadImage,
      seed: settings.seed,
    },
    observed(run),
  );
  const [before, after] = models;
  if (!before || !after) throw new Error('two models were evaluated');
  return evidenceOf(before.predictions, after.predictions, 'top1');
}

async function propose(current: Current, run: StepRun, folder: string): Promise<Proposal> {
  const { settings, split, snapshots } = run.read;
  const out = join(folder, FILE);
  const train = statisticsImages(run.read);
  const record = await searchAverages(
    {
      ...snapshotOptions(settings),
      ...runtimeOf(run.read),
      val: split.choosing,
      train,
      bn: train ? 'auto' : 'average',
      include: settings.include,
      transform: settings.transform,
      onBadImage: settings.onBadImage,
      seed: settings.seed,
      memory: settings.memory,
      out,
      force: true,
      allowWorse: true,
      cache: join(run.work, 'search.jsonl'),
    },
    observed(run),
  );
  const { chosen, bestSingle, candidates, verdict, weights } = record;
  const newest = Object.values(weights).at(-1);
  const isLast = chosen.family === 'single' && newest === 1 && chosen.bn === 'average';
  return {
    chose: chosen.name,
    among: `${candidates.length} candidates of ${snapshots.length} snapshots`,
    ...(isLast ? {} : { evidence: await judge(current, out, run) }),
    model: { file: FILE, sha256: await modelFileSha256(out) },
    rows: candidates.map(({ fields }) => ({ ...fields, chosen: fields === chosen.fields })),
    facts: {
      family: chosen.family,
      statistics: chosen.bn,
      best_single: bestSingle.name,
      best_single_top1: bestSingle.metrics.top1,
      best_single_verdict: verdict?.text ?? null,
      weights: Object.entries(weights)
        .filter(([, weight]) => weight !== 0)
        .map(([name, weight]) => `${name} ${weight}`)
        .join(', '),
    },
    warnings: record.warnings,
  };
}

/** Averages of the snapshots, with and without measured statistics. */
export const AVERAGE: Step = {
  name: 'average',
  title: 'average',
  metric: 'top1',
  isOn: () => true,
  key: ({ read }) => [
    read.snapshots.map(({ sha256 }) => sha256),
    { ...snapshotOptions(read.settings), inputs: null },
    read.settings.include,
    read.settings.bn,
    read.settings.transform,
  ],
  propose,
};
