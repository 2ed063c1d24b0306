import { join } from 'node:path';
import { chooseLayers, recalibrate } from '../../batchnorm/index.ts';
import { canonicalJson, TemperError, version } from '../../core/index.ts';
import { modelFileSha256, nextStepKey, openModel, writeEdited } from '../../onnx/index.ts';
import { openFreed, type SweptRow, sizeName, sweep } from '../../resolution/index.ts';
import { declaredInputs, modelInput } from '../../signature/index.ts';
import type { ReadRun } from '../read.ts';
import { type Candidate, chooseAndJudge } from '../verdict.ts';
import {
  type Current,
  keySet,
  observed,
  type Proposal,
  runtimeOf,
  type Step,
  type StepRun,
  statisticsImages,
} from './step.ts';

const FREED = 'freed.onnx';
const RECALIBRATED = 'model.onnx';

/** "192 px, recalibrated" */
const rowName = ({ size, variant }: Pick<SweptRow, 'size' | 'variant'>): string =>
  `${sizeName(size)} px${variant === 'recalibrated' ? ', recalibrated' : ''}`;

/** Time an image over that at the train size, as measured before or now. */
function latencyOf(row: SweptRow, baseline: SweptRow, known: StepRun['latencies']): number | undefined {
  const before = known?.get(rowName(row));
  if (before !== undefined) return before;
  const [own, first] = [row, baseline].map(({ fields }) => Number(fields.img_s_model));
  return own && first ? first / own : undefined;
}

/** Why a row may not be chosen; undefined where it may. */
function overBudget(row: SweptRow, latency: number | undefined, { settings }: ReadRun): string | undefined {
  const { maxGmacs, maxLatencyRatio } = settings;
  const { gmacs } = row.analysis;
  if (maxGmacs !== undefined && !(gmacs !== undefined && gmacs <= maxGmacs)) {
    return gmacs === undefined ? 'its GMACs are not known' : `${gmacs.toPrecision(3)} GMACs, over ${maxGmacs}`;
  }
  if (maxLatencyRatio === undefined || (latency !== undefined && latency <= maxLatencyRatio)) return undefined;
  return latency === undefined
    ? 'its time is not known'
    : `${latency.toFixed(2)} times as slow, over ${maxLatencyRatio}`;
}

/** A copy of a file that is fixed to one size, which takes any: what is measured, and written. */
async function writeFreed(path: string, out: string, run: StepRun): Promise<string> {
  const file = openModel(path);
  try {
    const { model, session, doubt } = await openFreed(file, runtimeOf(run.read));
    await session.close();
    if (doubt !== undefined) run.control.note(`${path}: ${doubt}`);
    const value = canonicalJson({ tool: 'onnx-temper', version, command: 'finish', free_size: true });
    writeEdited(model, [], { path: out, force: true, metadata: { key: nextStepKey(model.record), value } });
    return out;
  } finally {
    file.close();
  }
}

const isFixed = (path: string, { settings }: ReadRun): boolean => {
  const model = openModel(path);
  try {
    return modelInput(declaredInputs(model), settings.input).fixed !== undefined;
  } finally {
    model.close();
  }
};

/** Whether layers are recalibrated that BatchNormalization was folded into. */
function isFolded(path: string): boolean {
  const model = openModel(path);
  try {
    return chooseLayers(model, []).folded.length > 0;
  } catch (error) {
    if (error instanceof TemperError) return false;
    throw error;
  } finally {
    model.close();
  }
}

/** The model of the chosen row: the file as it is, a copy that takes its size, new statistics at that size. */
async function writeRow(row: SweptRow, current: Current, run: StepRun, folder: string): Promise<string | undefined> {
  const { read } = run;
  const { settings, trainSize } = read;
  const isOther = !row.baseline && sizeName(row.size) !== (trainSize === undefined ? '' : sizeName(trainSize));
  const from =
    isOther && isFixed(current.model, read) ? await writeFreed(current.model, join(folder, FREED), run) : current.model;
  if (row.variant !== 'recalibrated') return from === current.model ? undefined : FREED;
  const train = statisticsImages(read);
  if (!train) throw new Error('recalibrated without images');
  await recalibrate(
    {
      ...runtimeOf(read),
      model: from,
      // What the sweep measured: the model's own moments at the train size are what folding lost.
      ...(isFolded(from) ? { ingredients: [from] } : {}),
      data: train,
      transform: row.transform,
      trainSize,
      seed: settings.seed,
      onBadImage: settings.onBadImage,
      out: join(folder, RECALIBRATED),
      force: true,
    },
    observed(run),
  );
  return RECALIBRATED;
}

async function sweepSizes(current: Current, run: StepRun) {
  const { settings, split, trainSize } = run.read;
  const { seed, onBadImage, sizes } = settings;
  return sweep(
    {
      ...runtimeOf(run.read),
      models: [current.model],
      data: split.choosing,
      sizes,
      trainSize,
      transform: current.transform,
      train: statisticsImages(run.read),
      onBadImage,
      seed,
    },
    observed(run),
  );
}

interface Rated {
  readonly row: SweptRow;
  readonly latency: number | undefined;
  readonly refused: string | undefined;
}

function rate(
  rows: readonly SweptRow[],
  run: StepRun,
  folded: boolean,
): { readonly rated: readonly Rated[]; readonly baseline: SweptRow } {
  const baseline = rows.find((row) => row.baseline);
  if (!baseline?.predictions) throw new TemperError('EXECUTION_RUN', 'the model does not run at its train size');
  // Where it was folded, statistics of the train size are what they were.
  const isSame = ({ variant, size }: SweptRow): boolean =>
    folded && variant === 'recalibrated' && sizeName(size) === sizeName(baseline.size);
  const measured = rows.filter(
    (row) => row.predictions && (row === baseline || (row.verdict.verdict === 'safe' && !isSame(row))),
  );
  const rated = measured.map((row): Rated => {
    const latency = latencyOf(row, baseline, run.latencies);
    return { row, latency, refused: overBudget(row, latency, run.read) };
  });
  return { rated, baseline };
}

/** Every row is over the budget: which one is the cheapest, and by how much. */
function nothingWithin(rated: readonly Rated[], { settings }: ReadRun): TemperError {
  const { maxGmacs, maxLatencyRatio } = settings;
  const given = [
    ...(maxGmacs === undefined ? [] : ['`maxGmacs`']),
    ...(maxLatencyRatio === undefined ? [] : ['`maxLatencyRatio`']),
  ];
  const cost = ({ row, latency }: Rated): number => row.analysis.gmacs ?? latency ?? Number.POSITIVE_INFINITY;
  const [cheapest] = rated.toSorted((a, b) => cost(a) - cost(b));
  const which = cheapest ? `: the cheapest is ${rowName(cheapest.row)}, ${cheapest.refused}` : '';
  return new TemperError('USAGE', `no size is within ${given.join(' and ')}${which}`, {
    hint: 'Allow more, or give smaller `sizes`.',
  });
}

async function propose(current: Current, run: StepRun, folder: string): Promise<Proposal> {
  const { sets, settings } = run.read;
  const { rows, warnings } = await sweepSizes(current, run);
  const { rated, baseline } = rate(rows, run, isFolded(current.model));
  const allowed = rated.filter(({ refused }) => refused === undefined);
  if (allowed.length === 0) throw nothingWithin(rated, run.read);
  const costs = allowed.every(({ row }) => row.analysis.gmacs !== undefined);
  const candidates = allowed.map(({ row, latency }): Candidate => {
    if (!row.predictions) throw new Error('a measured row has predictions');
    const cost = (costs ? row.analysis.gmacs : latency) ?? 1;
    return { predictions: row.predictions, cost, effort: row.variant === 'keep' ? 0 : 1 };
  });
  const own = allowed.findIndex(({ row }) => row === baseline);
  const halves = { selecting: keySet(sets.selecting), judging: keySet(sets.judging) };
  // Where the train size is over the budget, the best within it is taken, and no gain is claimed.
  const { chosen, evidence } = chooseAndJudge(candidates, own, halves);
  const { row } = allowed[chosen] as Rated;
  const refused = rated.find((one) => one.row === baseline)?.refused;
  const file = row === baseline ? undefined : await writeRow(row, current, run, folder);
  return {
    chose: rowName(row),
    among: `${allowed.length} of ${rows.length} rows`,
    ...(evidence ? { evidence } : {}),
    ...(refused ? { forced: `at the train size: ${refused}` } : {}),
    ...(file ? { model: { file, sha256: await modelFileSha256(join(folder, file)) } } : {}),
    transform: row.transform,
    rows: rows.map((one) => {
      const rating = rated.find(({ row: other }) => other === one);
      return {
        ...one.fields,
        row: rowName(one),
        latency_ratio: rating?.latency,
        over_budget: rating?.refused,
        chosen: one === row,
      };
    }),
    facts: {
      size: sizeName(row.size),
      variant: row.variant,
      gmacs: row.analysis.gmacs,
      latency_ratio: settings.maxLatencyRatio === undefined ? undefined : allowed[chosen]?.latency,
    },
    warnings,
  };
}

/** The test size, each with and without statistics of that size. */
export const SIZE: Step = {
  name: 'size',
  title: 'test size',
  metric: 'top1',
  isOn: ({ settings, transform, trainSize }) =>
    settings.sizes.length > 0 && transform !== undefined && trainSize !== undefined,
  key: ({ read, latencies }) => {
    const { sizes, bn, maxGmacs, maxLatencyRatio } = read.settings;
    return [sizes, read.trainSize ?? null, bn, maxGmacs ?? null, maxLatencyRatio ?? null, [...(latencies ?? [])]];
  },
  propose,
};
