import {
  chooseTemplate,
  type Plan,
  planTensors,
  storedTensors,
  type TensorPlan,
  type TensorRules,
} from '../average/index.ts';
import { type BatchNormLayer, findLayers } from '../batchnorm/index.ts';
import { type Control, TemperError } from '../core/index.ts';
import type { Dataset } from '../data/index.ts';
import { assertInference, type Model, type TensorRecord } from '../onnx/index.ts';
import { sessionOptions } from '../runtime/index.ts';
import type { CandidateOptions } from './candidate-options.ts';
import type { Ingredients } from './candidate-weights.ts';
import { CandidateEvaluator, type NamedCandidate, statisticSlots } from './evaluator.ts';
import { DEFAULT_MEMORY_BYTES, memoryShares } from './memory-shares.ts';
import { inMemory, prepareModel, valuesAt } from './prepared-model.ts';

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

/** Plans the tensors of opened snapshots and prepares the graph. @throws TemperError as planTensors, prepareModel */
export function openIngredients(
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
  const prepared = prepareModel(template, stored);
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

/** The evaluator of prepared candidates, on images of a data set. @throws TemperError USAGE for a device that is none */
export function candidateEvaluator(
  { ingredients: { prepared, signal } }: OpenedSnapshots,
  options: CandidateOptions,
  dataset: Dataset,
): CandidateEvaluator {
  const { input, output } = options;
  return new CandidateEvaluator({ prepared, ...sessionOptions(options), input, output, dataset, signal });
}

/** The template as a candidate: what the provider is asked with. */
export function templateCandidate({ ingredients: { prepared }, models, templateIndex }: OpenedSnapshots) {
  const name = (models[templateIndex] as Model).path;
  return { name, graph: prepared.graph, weights: prepared.emptyWeights() } satisfies NamedCandidate;
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
