import { type Plan, type TensorPlan, type TensorRules, chooseTemplate, planTensors, storedTensors } from '../../src/average/index.ts';
import { type BatchNormLayer, type NumberedBatch, findLayers } from '../../src/batchnorm/index.ts';
import { TemperError, canonicalJson } from '../../src/core/index.ts';
import { type Transform, selectRows, splitRows, transformHash } from '../../src/data/index.ts';
import type { LabelledBatch } from '../../src/evaluate/index.ts';
import type { Model, TensorRecord } from '../../src/onnx/index.ts';
import { parseDevice } from '../../src/runtime/index.ts';
import { CandidateEvaluator, type Ingredients, type NamedCandidate, type Replay, inMemory, prepareModel, statisticSlots, valuesAt } from '../../src/search/index.ts';
import { type JobImages, rowsHash } from '../bn-recal/recalibration.ts';
import type { EvaluateArguments } from '../eval-ckpt/evaluate-models.ts';
import { argumentsOf, type ChosenData, type DataArguments, openData } from '../shared/data-options.ts';
import { declaredInputs } from '../shared/model-inputs.ts';
import { batchOf, workersOf } from '../shared/runtime-options.ts';
import { modelInput } from '../shared/transform-options.ts';
import { type ViewArguments, viewOptions } from '../shared/view-options.ts';
import { candidateTransform, labelledReplay, numberedReplay } from './candidate-images.ts';

/** Images for the statistics of each candidate; 10³ to 10⁴ are near-optimal (Wu and Johnson 2021). */
const BN_IMAGES = 8192;
/** Parts of --memory that snapshots, and images, may take to be kept; the rest is for candidates. */
const SNAPSHOT_SHARE = 1 / 4;
const IMAGE_SHARE = 1 / 2;

export interface CandidateArguments extends EvaluateArguments, ViewArguments {
  readonly val?: unknown;
  readonly seed?: number | undefined;
  readonly memory?: number | undefined;
  readonly match: TensorRules['match'];
  readonly 'on-int-mismatch': TensorRules['onIntMismatch'];
  readonly 'allow-nonfinite': boolean;
  readonly [option: string]: unknown;
}

/** Snapshots that are planned, opened, and kept in memory where they fit. */
export interface OpenedSnapshots {
  readonly plan: Plan;
  /** The files, for what is written. */
  readonly models: readonly Model[];
  readonly templateIndex: number;
  readonly rules: TensorRules;
  readonly tensors: TensorPlan;
  readonly ingredients: Ingredients;
  /** The snapshots were read whole, once. */
  readonly inMemory: boolean;
}

const bytesOf = (model: Model): number =>
  model.source.size + model.externalLocations.reduce((sum, location) => sum + model.external(location).size, 0);

/** Plans the tensors of opened snapshots and prepares the graph. */
export function openIngredients(
  plan: Plan,
  models: readonly Model[],
  args: CandidateArguments,
  memoryBytes: number,
  note: (text: string) => void,
  signal: AbortSignal,
): OpenedSnapshots {
  const templateIndex = chooseTemplate(models);
  const rules: TensorRules = { bn: 'average', match: args.match, onIntMismatch: args['on-int-mismatch'] };
  const tensors = planTensors(models, templateIndex, rules);
  for (const text of tensors.notes) note(text);
  const fits = models.reduce((sum, model) => sum + bytesOf(model), 0) <= memoryBytes * SNAPSHOT_SHARE;
  const kept = fits ? models.map(inMemory) : models;
  const template = kept[templateIndex] as Model;
  const stored = storedTensors(template, tensors.tensors, undefined);
  const prepared = prepareModel(template, stored);
  const allowNonfinite = args['allow-nonfinite'];
  return {
    plan,
    models,
    templateIndex,
    rules,
    tensors,
    ingredients: { models: kept, stored, prepared, allowNonfinite, signal },
    inMemory: fits,
  };
}

/** The layers that can be recalibrated in memory; empty where the network keeps none. */
export function recalibrableLayers(
  { ingredients: { prepared } }: OpenedSnapshots,
  required: boolean,
  note: (text: string) => void,
): readonly BatchNormLayer[] {
  try {
    const { layers, skipped } = findLayers(prepared.model);
    for (const { name, reason } of skipped) note(`${name} is left as it is: ${reason}`);
    statisticSlots(prepared, layers);
    return layers;
  } catch (error) {
    if (required || !(error instanceof TemperError) || error.code !== 'UNSUPPORTED_GRAPH') throw error;
    note(`statistics are not recalibrated: ${error.message}`);
    return [];
  }
}

/** Rows of --val for one purpose. */
export interface Part {
  readonly name: string;
  readonly rows: Uint32Array;
}

/** The images of candidates: parts of --val, and --bn-data. */
export interface CandidateData {
  readonly val: ChosenData;
  /** In the order of the parts. */
  readonly parts: readonly Replay<LabelledBatch>[];
  readonly bnImages: Replay<NumberedBatch> | undefined;
  readonly bnImageCount: number;
  readonly transform: Transform | undefined;
  /** What predictions depend on beside the model and the provider; what recalibration depends on. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly bnSettings: Readonly<Record<string, unknown>> | undefined;
  close(): Promise<void>;
}

async function openBn(args: CandidateArguments): Promise<ChosenData | undefined> {
  const given = argumentsOf('bn', args);
  if (given.data === undefined) return undefined;
  const { dataset } = await openData(given, { labelled: false });
  return {
    dataset,
    rows: selectRows(dataset, { rows: given.rows, limit: given.limit ?? BN_IMAGES, seed: given.seed }),
  };
}

/** One half chooses, the other reports. */
export function halves({ dataset, rows }: ChosenData, seed: number): Part[] {
  const { selection, report } = splitRows(dataset, rows, seed);
  return [
    { name: 'selection', rows: selection },
    { name: 'report', rows: report },
  ];
}

/** Opens both data sets and reads what fits. @throws TemperError USAGE, INPUT_*, FORMAT_* */
export async function openCandidateData(
  template: Model,
  args: CandidateArguments,
  cut: (val: ChosenData, seed: number) => readonly Part[],
  memoryBytes: number,
  note: (text: string) => void,
  signal: AbortSignal,
): Promise<CandidateData> {
  const valArguments: DataArguments = argumentsOf('val', args, 'val');
  if (valArguments.data === undefined) {
    throw new TemperError('USAGE', 'no validation images are named', {
      hint: 'Give --val SRC.',
    });
  }
  const val = await openData(valArguments, { labelled: true });
  let bn: ChosenData | undefined;
  const close = async (): Promise<void> => {
    await val.dataset.close();
    await bn?.dataset.close();
  };
  try {
    bn = await openBn(args);
    const declared = declaredInputs(template);
    const seed = args.seed ?? 0;
    const cuts = cut(val, seed);
    const transform = candidateTransform(val, declared, args);
    const batch = batchOf(args, [modelInput(declared, args.input).batch]);
    let left = memoryBytes * IMAGE_SHARE;
    const keep = <T extends Replay<unknown>>(made: T, what: string): T => {
      left -= made.bytes;
      if (!made.kept)
        note(`${what} do not fit in ${Math.floor(left)} bytes of --memory: they are decoded for every pass`);
      return made;
    };
    const read = async ({ name, rows }: Part) =>
      keep(
        await labelledReplay(
          { dataset: val.dataset, rows },
          { transform, batch, args, limitBytes: left, note, signal },
        ),
        `the images for ${name}`,
      );
    const [first, ...others] = cuts as [Part, ...Part[]];
    const parts = [await read(first)];
    const bnJob: JobImages | undefined = bn && {
      dataset: bn.dataset,
      rows: bn.rows,
      transform: candidateTransform(bn, declared, args),
      views: viewsOf(args, seed),
      batch,
      workers: workersOf(args),
      onBadImage: args['on-bad-image'],
      note,
      signal,
    };
    const bnImages = bnJob && keep(await numberedReplay(bnJob, left), 'the images for statistics');
    for (const part of others) parts.push(await read(part));
    return {
      val,
      parts,
      bnImages,
      bnImageCount: bnJob ? bnJob.rows.length * (bnJob.views?.count ?? 1) : 0,
      transform,
      settings: {
        data_table_sha256: val.dataset.tableHash(),
        ...Object.fromEntries(cuts.map(({ name, rows }) => [`${name}_rows_sha256`, rowsHash(rows)])),
        inputs_sha256: parts[0]?.sha256,
        transform_sha256: transform ? transformHash(transform) : null,
        batch_size: batch,
      },
      bnSettings: bnJob && {
        data_table_sha256: bnJob.dataset.tableHash(),
        rows_sha256: rowsHash(bnJob.rows),
        inputs_sha256: bnImages?.sha256,
        views: canonicalJson(bnJob.views ?? null),
        batch_size: batch,
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function viewsOf(args: CandidateArguments, seed: number): JobImages['views'] {
  const views = viewOptions(args);
  return views && { ...views, seed };
}

/** The evaluator of prepared candidates. */
export function candidateEvaluator({ ingredients }: OpenedSnapshots, args: CandidateArguments): CandidateEvaluator {
  return new CandidateEvaluator({
    prepared: ingredients.prepared,
    device: parseDevice(args.device),
    threads: args.threads,
    input: args.input,
    output: args.output,
    signal: ingredients.signal,
  });
}

/** The template as a candidate: what the provider is asked with. */
export function templateCandidate({ ingredients }: OpenedSnapshots, label: string): NamedCandidate {
  const { prepared } = ingredients;
  return { name: label, graph: prepared.graph, weights: prepared.emptyWeights() };
}

/** The statistics of a recalibrated candidate, by the template's tensor. */
export function givenStatistics(
  opened: OpenedSnapshots,
  candidate: NamedCandidate,
  layers: readonly BatchNormLayer[],
): Map<TensorRecord, Uint8Array> {
  const slots = statisticSlots(opened.ingredients.prepared, layers).flatMap(({ mean, variance }) => [mean, variance]);
  return givenValues(opened, candidate, slots);
}

/** What a candidate holds in some of its stored tensors. */
export function givenValues(
  { ingredients: { prepared, stored } }: OpenedSnapshots,
  candidate: NamedCandidate,
  slots: readonly number[],
): Map<TensorRecord, Uint8Array> {
  return new Map(
    slots.map((slot) => [stored[slot]?.tensor.template as TensorRecord, valuesAt(prepared, candidate, slot).slice()]),
  );
}
