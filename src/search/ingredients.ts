import {
  type AverageJob,
  type AveragingOptions,
  areCheckpoints,
  assertModelOptions,
  averageFiles,
  chooseTemplate,
  type MappedSnapshots,
  type Plan,
  type PublishedOutput,
  planFiles,
  planTensors,
  type Row,
  storedTensors,
  type TensorRules,
  withMappedSnapshots,
} from '../average/index.ts';
import type { StateReader } from '../batchnorm/index.ts';
import { type Control, TemperError, version } from '../core/index.ts';
import type { Dataset } from '../data/index.ts';
import { assertInference, type Model, type TensorRecord } from '../onnx/index.ts';
import { sessionOptions } from '../runtime/index.ts';
import { type Candidate, type StateMap, withModels } from '../snapshots/index.ts';
import { type CandidateLayers, findCandidateLayers, foldedKeys, layerSlots } from './candidate-layers.ts';
import type { CandidateOptions } from './candidate-options.ts';
import { type Ingredients, makeCandidates, modelWriter } from './candidate-weights.ts';
import { CandidateEvaluator, type NamedCandidate } from './evaluator.ts';
import { DEFAULT_MEMORY_BYTES, memoryShares } from './memory-shares.ts';
import { type CandidateModel, inMemory, modelOf, prepareModel, valuesAt } from './prepared-model.ts';
import { meanOf } from './recipes.ts';

/** Snapshots that are planned, opened, and kept in memory where they fit. */
export interface OpenedSnapshots {
  readonly plan: Plan;
  /** The files that say how images are shown: the snapshots, or the template that training checkpoints go into. */
  readonly models: readonly Model[];
  readonly templateIndex: number;
  /** Some weights are quantized codes. */
  readonly quantized: boolean;
  readonly ingredients: Ingredients;
  /** The snapshots were read whole, once. */
  readonly inMemory: boolean;
  /** A snapshot as a model that can be run. */
  readonly snapshot: (i: number) => Promise<Model>;
  /** Of training checkpoints: how the template's tensors follow from a state dict, and the state dict that a row makes. */
  readonly map?: StateMap | undefined;
  readonly values?: MappedSnapshots['values'] | undefined;
  /** Writes rows from the files, as averages are written. */
  readonly write: (
    rows: readonly Row[],
    paths: readonly string[],
    force: boolean,
    more: Pick<AverageJob, 'given' | 'chosenBy' | 'carried'>,
  ) => Promise<readonly PublishedOutput[]>;
}

const bytesOf = (model: Model): number =>
  model.source.size + model.externalLocations.reduce((sum, location) => sum + model.external(location).size, 0);

/** Plans the tensors of opened snapshots and prepares the graph. @throws TemperError as planTensors, prepareModel */
function openIngredients(
  plan: Plan,
  models: readonly Model[],
  options: CandidateOptions,
  { note, signal }: Control,
): OpenedSnapshots {
  const { match = 'auto', onIntMismatch = 'error', allowNonfinite = false, memory = DEFAULT_MEMORY_BYTES } = options;
  const templateIndex = chooseTemplate(models);
  const rules: TensorRules = { bn: 'average', match, onIntMismatch };
  assertInference(models[templateIndex] as Model);
  const tensors = planTensors(models, templateIndex, rules);
  for (const text of tensors.notes) note(text);
  const fits = models.reduce((sum, model) => sum + bytesOf(model), 0) <= memoryShares(memory).snapshots;
  const kept = fits ? models.map(inMemory) : models;
  const template = kept[templateIndex] as Model;
  const stored = storedTensors(template, tensors.tensors, undefined);
  const job = { models, templateIndex, plan: tensors, rules, dtype: undefined, version, allowNonfinite, signal };
  return {
    plan,
    models,
    templateIndex,
    quantized: tensors.tensors.some(({ treatment }) => treatment === 'quantized'),
    ingredients: {
      snapshots: models.length,
      stored,
      prepared: prepareModel(template, stored),
      writer: modelWriter(kept, stored, { allowNonfinite, signal }),
    },
    inMemory: fits,
    snapshot: async (i) => kept[i] as Model,
    write: (rows, paths, force, more) =>
      averageFiles({ ...job, ...more, steps: plan.snapshots.map(({ step }) => step), rows }, paths, force),
  };
}

/** Training checkpoints whose averages go into a template. @throws TemperError as prepareModel */
function mappedIngredients({ plan, template, map, stored, writer, values, write }: MappedSnapshots): OpenedSnapshots {
  assertInference(template);
  const prepared = prepareModel(template, stored);
  const ingredients = { snapshots: plan.snapshots.length, stored, prepared, writer };
  return {
    plan,
    models: [template],
    templateIndex: 0,
    quantized: false,
    ingredients,
    inMemory: false,
    async snapshot(i) {
      const { name, file } = plan.snapshots[i] as Candidate;
      const { candidates } = await makeCandidates(ingredients, [meanOf(name, plan.snapshots.length, [i])]);
      return modelOf(prepared, candidates[0] as CandidateModel, file);
    },
    map,
    values,
    write,
  };
}

/**
 * Plans over snapshots, opens them, and closes them when `use` is done. Training checkpoints are averaged as state dicts, and put into
 * `template` by the map that was proved.
 * @param selection which snapshots
 * @param planned told the plan before anything large is read
 * @throws TemperError USAGE, INPUT_*, FORMAT_*, MISMATCH_*, UNSUPPORTED_*
 */
export function withSnapshots<T>(
  paths: readonly string[],
  { selection, ...options }: CandidateOptions & { readonly selection: AveragingOptions },
  control: Control,
  planned: (plan: Plan) => void,
  use: (opened: OpenedSnapshots) => Promise<T>,
): Promise<T> {
  const { allowDuplicates = false, allowNonfinite, template, templateOf, state } = options;
  if (!areCheckpoints(paths)) {
    assertModelOptions(options);
    const plan = planFiles(paths, selection, allowDuplicates, control.note);
    planned(plan);
    const files = plan.snapshots.map(({ file }) => file);
    return withModels(files, (models) => use(openIngredients(plan, models, options, control)), plan.known);
  }
  const mapped = { ...selection, allowDuplicates, allowNonfinite, template, templateOf, state };
  return withMappedSnapshots(paths, mapped, control, planned, (opened) => use(mappedIngredients(opened)));
}

const NO_LAYERS: CandidateLayers = { kept: [], folded: [] };

/** The layers that can be recalibrated in memory; none where the network keeps none, and no map tells of any. */
export function recalibrableLayers(
  { ingredients: { prepared }, models, templateIndex, map }: OpenedSnapshots,
  required: boolean,
  note: (text: string) => void,
): CandidateLayers {
  try {
    return findCandidateLayers(prepared, (models[templateIndex] as Model).path, map, note);
  } catch (error) {
    if (required || !(error instanceof TemperError) || error.code !== 'UNSUPPORTED_GRAPH') throw error;
    note(`statistics are not recalibrated: ${error.message}`);
    return NO_LAYERS;
  }
}

/** What a row's state dict holds of folded layers; undefined where none is folded. */
export async function foldedState(
  { values }: Pick<OpenedSnapshots, 'values'>,
  layers: CandidateLayers,
  row: Row,
): Promise<StateReader | undefined> {
  if (!values || layers.folded.length === 0) return undefined;
  const found = await values(row, foldedKeys(layers));
  return (key) => found.get(key) as ReturnType<StateReader>;
}

/** The evaluator of prepared candidates, on images of a data set. @throws TemperError USAGE for a device that is none */
export function candidateEvaluator(
  { ingredients: { prepared } }: OpenedSnapshots,
  options: CandidateOptions,
  dataset: Dataset,
  signal: AbortSignal,
): CandidateEvaluator {
  const { input, output } = options;
  return new CandidateEvaluator({ prepared, ...sessionOptions(options), input, output, dataset, signal });
}

/** The template as a candidate: what the provider is asked with. */
export function templateCandidate({ ingredients: { prepared }, models, templateIndex }: OpenedSnapshots) {
  const name = (models[templateIndex] as Model).path;
  return { name, graph: prepared.graph, weights: prepared.emptyWeights() } satisfies NamedCandidate;
}

/** What statistics changed in a recalibrated candidate, by the template's tensor. */
export function givenStatistics(
  opened: OpenedSnapshots,
  candidate: NamedCandidate,
  layers: CandidateLayers,
): Map<TensorRecord, Uint8Array> {
  return givenValues(opened, candidate, layerSlots(opened.ingredients.prepared, layers));
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
