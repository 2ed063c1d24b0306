import { join } from 'node:path';
import { averageCheckpoints } from '../average/index.ts';
import { canonicalHash, checkOutputs, type JobControl, TemperError, version, writeFileAtomic } from '../core/index.ts';
import { dataFiles, transformFields } from '../data/index.ts';
import { modelFileSha256 } from '../onnx/index.ts';
import { assertFixedBatch } from '../runtime/index.ts';
import { type FinalRecord, reportStages, type Stage } from './final.ts';
import type { FinishOptions } from './options.ts';
import { modelCard } from './outputs/model-card.ts';
import { resultsDocument, triedDocument } from './outputs/results.ts';
import { inOwnWords } from './own-words.ts';
import {
  CARD_FILE,
  decisionFields,
  MODEL_FILE,
  outputPaths,
  RECIPE_FILE,
  RESULTS_FILE,
  writeModel,
} from './publish.ts';
import { type ReadRun, readRun, snapshotOptions } from './read.ts';
import { type Made, recipeText, settingsDocument } from './recipe.ts';
import { type DecidedStep, type FinishRecord, resultText } from './record.ts';
import { resolveSettings } from './resolve-settings.ts';
import { STEPS } from './steps/index.ts';
import { type Current, commonKey, observed, type Proposal, type Step, type StepRun } from './steps/step.ts';
import { usedModel } from './used-model.ts';
import { decide, type Levels, leastGained, levelsOf } from './verdict.ts';
import { watchedBy } from './watched.ts';
import { assertFolder, claim, endRun, isOwn, makeOutputFolder, resumable, sweepEnded } from './work.ts';

const BASELINE = 'last';
const LAST = 'last snapshot';
/** Few steps bring more: where nothing less can be shown, that is said. */
const DOUBTFUL_GAIN = 0.03;

interface Kept {
  readonly sha256: string;
}

const isKept = (value: unknown): value is Kept => typeof value === 'object' && value !== null && 'sha256' in value;

/** A kept record counts if the model that it names is there as it was written. */
const isThere = async (path: string, sha256: string): Promise<boolean> => {
  try {
    return (await modelFileSha256(path)) === sha256;
  } catch {
    return false;
  }
};

/** The last snapshot as a model: the file itself, or a training checkpoint in the template. */
async function baselineOf(run: StepRun): Promise<Current> {
  const { settings, snapshots, checkpoints, transform } = run.read;
  const last = snapshots.at(-1);
  if (!last) throw new Error('there is a last snapshot');
  if (!checkpoints) return { model: last.file, sha256: last.sha256, transform };
  const key = [version, snapshots, settings.inputs];
  const write = async (place: string): Promise<Kept> => {
    const out = join(place, MODEL_FILE);
    await averageCheckpoints({ ...snapshotOptions(settings), last: [1], out, force: true }, observed(run));
    return { sha256: await modelFileSha256(out) };
  };
  const { record, folder } = await resumable(run.work, BASELINE, key, isKept, write, ({ sha256 }, place) =>
    isThere(join(place, MODEL_FILE), sha256),
  );
  return { model: join(folder, MODEL_FILE), sha256: record.sha256, transform };
}

const isProposal = (value: unknown): value is Proposal =>
  typeof value === 'object' && value !== null && 'chose' in value && 'rows' in value;

/** What a step cannot do for this network is said, and the step left out; the average is what all stands on. */
const isPassable = (step: Step, error: unknown): error is TemperError =>
  error instanceof TemperError && step.name !== 'average' && error.code.startsWith('UNSUPPORTED_');

interface Walk {
  readonly current: Current;
  readonly levels: Levels;
  readonly stages: readonly Stage[];
  readonly steps: readonly DecidedStep[];
}

async function takeStep(step: Step, { current, levels, stages, steps }: Walk, run: StepRun): Promise<Walk> {
  const began = performance.now();
  const { level } = levels;
  const decided = { step: step.name, title: step.title, level };
  const key = [version, current.sha256, current.transform ?? null, commonKey(run), step.key(run)];
  let isNew = false;
  try {
    const { record: proposal, folder } = await resumable(
      run.work,
      step.name,
      key,
      isProposal,
      (place) => {
        isNew = true;
        return step.propose(current, run, place);
      },
      async ({ model: kept }, place) => kept === undefined || isThere(join(place, kept.file), kept.sha256),
    );
    const seconds = isNew ? (performance.now() - began) / 1000 : 0;
    const verdict = decide(proposal.evidence, levels);
    const taken = verdict.taken || proposal.forced !== undefined;
    const { model, transform } = proposal;
    const next: Current = taken
      ? {
          model: model ? join(folder, model.file) : current.model,
          sha256: model?.sha256 ?? current.sha256,
          transform: transform ?? current.transform,
        }
      : current;
    return {
      current: next,
      levels: verdict.next,
      stages: taken ? [...stages, { name: step.title, current: next }] : stages,
      steps: [...steps, { ...decided, proposal, taken, seconds }],
    };
  } catch (error) {
    if (!isPassable(step, error)) throw error;
    run.control.note(`${step.title}: left out: ${error.message}`);
    const seconds = (performance.now() - began) / 1000;
    return {
      current,
      levels,
      stages,
      steps: [...steps, { ...decided, untried: error.message, taken: false, seconds }],
    };
  }
}

/** What this run found, as the recipe keeps it. */
function madeOf(read: ReadRun, walk: Walk, final: FinalRecord, modelSha256: string): Made {
  const { sets, snapshots, transform, trainSize, settings } = read;
  const set = ({ tableSha256, images }: { tableSha256: string; images: number }) => ({ tableSha256, images });
  const part = ({ images, rowsSha256 }: { images: number; rowsSha256: string }) => ({ images, rowsSha256 });
  const rows = walk.steps.find(({ step }) => step === 'size')?.proposal?.rows ?? [];
  const latencies = rows.flatMap(({ row, latency_ratio: ratio }) =>
    typeof ratio === 'number' ? [{ row: String(row), ratio }] : [],
  );
  return {
    snapshots: snapshots.map(({ file, sha256 }) => ({ file, sha256 })),
    train: sets.train && set(sets.train),
    val: set(sets.val),
    test: sets.test && set(sets.test),
    chooses: part(sets.choosing),
    reports: part(sets.reporting),
    preprocessing: transform ? transformFields(transform) : null,
    trainSize,
    steps: walk.steps.map(decisionFields),
    latencyRatios: settings.maxLatencyRatio === undefined ? undefined : latencies,
    provider: final.provider,
    onnxruntime: final.onnxruntime,
    modelSha256,
  };
}

function isFinal(value: unknown): value is FinalRecord {
  return typeof value === 'object' && value !== null && 'gains' in value && 'rows' in value;
}

async function runSteps(run: StepRun): Promise<{ readonly walk: Walk; readonly final: FinalRecord }> {
  const { read, control } = run;
  const on = STEPS.filter((step) => step.isOn(read));
  const levels = levelsOf(on.length);
  const least = leastGained(levels) / read.sets.judging.images;
  if (least > DOUBTFUL_GAIN) {
    control.note(
      `${read.sets.judging.images} images judge: no gain below ${(100 * least).toFixed(0)} points of top-1 can be shown; name more as \`val\``,
    );
  }
  const bar = control.progress('finishing', on.length + 1);
  try {
    const current = await baselineOf(run);
    let walk: Walk = { current, levels, stages: [{ name: LAST, current }], steps: [] };
    for (const [i, step] of on.entries()) {
      control.signal.throwIfAborted();
      control.note(`step ${i + 1} of ${on.length}: ${step.title}`);
      walk = await takeStep(step, walk, run);
      bar.update(i + 1);
    }
    const { stages } = walk;
    const taken = on.filter(({ name }) => walk.steps.some((one) => one.step === name && one.taken));
    const key = [
      version,
      commonKey(run),
      read.sets.reporting.tableSha256,
      read.sets.reporting.rowsSha256,
      stages.map(({ name, current: { sha256, transform } }) => [name, sha256, transform ?? null]),
    ];
    const { record: final } = await resumable(run.work, 'report', key, isFinal, () => reportStages(stages, taken, run));
    return { walk, final };
  } catch (error) {
    throw inOwnWords(error);
  } finally {
    bar.end();
  }
}

/** Writes everything; what says that the run is not over goes last. */
async function publish(
  { read }: StepRun,
  walk: Walk,
  final: FinalRecord,
  { outDir, reports = {} }: FinishOptions,
  seconds: number,
): Promise<FinishRecord> {
  const { settings } = read;
  const model = writeModel(walk.current, walk.steps, read, final, outDir);
  const made = madeOf(read, walk, final, await modelFileSha256(model.path));
  const warnings = [...walk.steps.flatMap(({ proposal }) => proposal?.warnings ?? []), ...final.warnings];
  const record: FinishRecord = {
    read,
    steps: walk.steps,
    final,
    improved: walk.steps.some(({ taken }) => taken),
    model,
    made,
    recipe: recipeText(settings, made),
    outputs: outputPaths(outDir, settings.writeConfig, Object.keys(reports)),
    used: usedModel(model.path, walk.current.transform, settings, final.rows.at(-1) ?? {}),
    warnings: [...new Set(warnings)],
    text: resultText(walk.steps, final),
    seconds,
  };
  const write = (name: string, text: string): void => writeFileAtomic(join(outDir, name), text, { force: true });
  write(CARD_FILE, modelCard(record, record.used));
  write(RESULTS_FILE, `${JSON.stringify({ ...resultsDocument(record), ...triedDocument(record) }, null, 2)}\n`);
  for (const [name, text] of Object.entries(reports)) write(name, text(record));
  write(RECIPE_FILE, record.recipe);
  return record;
}

const inputFiles = ({ settings, snapshots, graph }: ReadRun): string[] => {
  const { train, val, test } = settings;
  return [graph, ...snapshots.map(({ file }) => file), ...dataFiles(train, val, test)];
};

/**
 * From a run's snapshots to the best model: averages with and without measured BatchNormalization statistics, a test size, FixRes if asked
 * for, a calibration. One part of the labelled images chooses, the other reports, once, at the end; a step is taken only if it is better
 * beyond noise on images that did not choose it, and all steps together claim something false with a probability of at most 5 %
 * (fallback procedure of Wiens & Dmitrienko 2005 for the steps, Holm 1979 for the report). Fractions are fractions, NLL is in nats.
 *
 * Writes `model.onnx`, `recipe.yaml` (which runs it again to the same bytes), `results.json` and `README.md`, a model card, into `outDir`.
 * A run that was killed is gone on with by the same call.
 * Memory: `memory` and a few models; disk: a model for each step until the end.
 * @returns a record: `improved` says whether any step was taken, `steps` what was decided and why, `final` the scores of all stages
 * @throws TemperError as the jobs that it runs: USAGE, INPUT_*, FORMAT_*, UNSUPPORTED_*, MISMATCH_*, EXECUTION_*, NUMERIC_*, OUTPUT_*;
 * the signal's reason
 * @example
 * const { improved, text, model } = await finish({
 *   inputs: ['run/'],
 *   train: { source: 'train/' },
 *   val: { source: 'val/' },
 *   sizes: [{ ratio: 1 }, { ratio: 1.15 }],
 *   include: ['last'],
 *   outDir: 'finished/',
 * });
 * console.log(improved, text, model.sha256);
 */
export async function finish(options: FinishOptions, control: JobControl = {}): Promise<FinishRecord> {
  assertFixedBatch(options, 'the statistics of BatchNormalization hang on it');
  const began = performance.now();
  const watched = watchedBy(control);
  const { outDir, force = false, reports = {} } = options;
  const { settings, made, notes } = resolveSettings(options);
  for (const text of notes) watched.note(text);
  assertFolder(outDir);
  sweepEnded(outDir);
  const read = await readRun(settings, made, watched);
  const { snapshots, sets } = read;
  const id = canonicalHash([
    version,
    settingsDocument(settings),
    snapshots.map(({ sha256 }) => sha256),
    sets.val.tableSha256,
  ]);
  makeOutputFolder(outDir);
  const outputs = outputPaths(outDir, settings.writeConfig, Object.keys(reports));
  checkOutputs(outputs, inputFiles(read), force || isOwn(outDir, id));
  const work = options.work ?? join(outDir, '.steps');
  makeOutputFolder(work);
  claim(outDir, id);
  const ratios = made?.latencyRatios;
  const latencies = ratios && new Map(ratios.map(({ row, ratio }) => [row, ratio]));
  const run: StepRun = { read, latencies, work, control: watched };
  const { walk, final } = await runSteps(run);
  watched.signal.throwIfAborted();
  const record = await publish(run, walk, final, options, (performance.now() - began) / 1000);
  endRun(outDir);
  return record;
}
