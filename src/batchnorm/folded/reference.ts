import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { type Control, canonicalJson, TemperError } from '../../core/index.ts';
import { rowsHash } from '../../data/index.ts';
import { type Model, modelSha256 } from '../../onnx/index.ts';
import { type SessionChoice, sessionOptions } from '../../runtime/index.ts';
import type { ChosenLayers } from '../choose-layers.ts';
import { type JobImages, numberedBatches, ONE_WORKER } from '../job-images.ts';
import { type CollectOptions, collectMoments, layerFolds } from '../measure.ts';
import type { Statistics } from '../statistics.ts';
import { findFolded } from './find-folded.ts';
import type { FoldableLayer } from './foldable-layer.ts';
import { unfold } from './unfold.ts';

/** A network whose moments are the goal, and its share of them. */
export interface Ingredient {
  readonly model: Model;
  /** Shares sum to 1. */
  readonly weight: number;
}

/** What folded layers' outputs should be like: it stands for β and |γ|, which folding lost. */
export interface Reference {
  /** Mean and variance of each folded layer, in their order. */
  readonly goals: readonly Statistics[];
  /** What it was measured on and from, and the hash of the goals, as canonical JSON. */
  readonly text: string;
}

/** What a reference is measured on and from, before it is. */
export interface ReferencePlan {
  readonly ingredients: readonly Ingredient[];
  readonly images: JobImages;
  /** As `text` of the reference begins. */
  readonly described: Readonly<Record<string, unknown>>;
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** @param images of the reference */
export async function planReference(ingredients: readonly Ingredient[], images: JobImages): Promise<ReferencePlan> {
  const { dataset, rows, transform, views, batch } = images;
  const models = [];
  for (const { model, weight } of ingredients)
    models.push({ file: basename(model.path), sha256: await modelSha256(model), weight });
  return {
    ingredients,
    images,
    described: {
      models,
      data: basename(dataset.source),
      data_table_sha256: dataset.tableHash(),
      rows_sha256: rowsHash(rows),
      transform: transform ?? null,
      transform_sha256: hashOf(canonicalJson(transform ?? null)),
      views: views ?? null,
      batch_size: batch,
    },
  };
}

/** Whether a reference that was kept is the one that is planned. */
export function isPlanned({ text }: Pick<Reference, 'text'>, { described }: ReferencePlan): boolean {
  const kept = JSON.parse(text) as Record<string, unknown>;
  return Object.entries(described).every(
    ([field, value]) => canonicalJson(kept[field] ?? null) === canonicalJson(value),
  );
}

/** SHA-256 of goals: of each layer the means, then the variances, as little-endian float64. */
export function goalsHash(goals: readonly Statistics[]): string {
  const hash = createHash('sha256');
  for (const { mean, variance } of goals)
    for (const values of [mean, variance])
      hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return hash.digest('hex');
}

/** The layers of a model that are those of another: same operators and channels, in graph order. @throws TemperError MISMATCH_GRAPH */
export function layersLike(of: Model, wanted: readonly FoldableLayer[], model: Model): readonly FoldableLayer[] {
  if (model === of) return wanted;
  const [own, others] = [findFolded(of).considered, findFolded(model).considered];
  const isSame =
    own.length === others.length &&
    own.every(({ operator, channels }, i) => others[i]?.operator === operator && others[i]?.channels === channels);
  const places = new Map(own.map(({ layer }, i) => [layer?.end.outputs[0], i]));
  const found = wanted.flatMap(({ end }) => others[places.get(end.outputs[0]) ?? -1]?.layer ?? []);
  if (isSame && found.length === wanted.length) return found;
  throw new TemperError('MISMATCH_GRAPH', `${model.path}: its layers are not those of ${of.path}`, {
    hint: 'Export the snapshots with the same settings.',
    details: { path: model.path, other: of.path },
  });
}

/** Mean and variance of what layers give, in a network as it is. */
export async function outputMoments(
  model: Model,
  folded: readonly FoldableLayer[],
  options: CollectOptions,
): Promise<{
  readonly goals: Statistics[];
  readonly images: number;
  readonly provider: string;
  readonly onnxruntime: string;
}> {
  const { model: copy, layers } = unfold(model, { kept: [], folded });
  const folds = layerFolds(layers, 'population');
  const ran = await collectMoments(copy, layers, { ...options, batchNormalised: false }, (batch) => folds.add(batch));
  const measured = new Map(folds.measured().map(({ layer, statistics }) => [layer.folded, statistics]));
  return { goals: folded.map((layer) => measured.get(layer) as Statistics), ...ran };
}

/**
 * The moments of networks, averaged like their weights: μ = Σ wᵢ μᵢ, σ = Σ wᵢ σᵢ (REPAIR, Jordan et al. 2023, §3, eq. 3 and 4).
 */
export function averagedGoals(
  parts: readonly { readonly goals: readonly Statistics[]; readonly weight: number }[],
): Statistics[] {
  const [first] = parts;
  if (!first || parts.length === 1) return [...(first?.goals ?? [])];
  return first.goals.map(({ mean: { length } }, k): Statistics => {
    const sum = (of: (statistics: Statistics, c: number) => number): Float64Array =>
      Float64Array.from({ length }, (_, c) =>
        parts.reduce((total, { goals, weight }) => total + weight * of(goals[k] as Statistics, c), 0),
      );
    const deviation = sum(({ variance }, c) => Math.sqrt(variance[c] as number));
    return { mean: sum(({ mean }, c) => mean[c] as number), variance: deviation.map((value) => value * value) };
  });
}

/** Measures a reference: one pass over its images for each ingredient. @throws TemperError MISMATCH_GRAPH, EXECUTION_*, NUMERIC_* */
export async function measureReference(
  model: Model,
  { folded }: Pick<ChosenLayers, 'folded'>,
  { ingredients, images, described }: ReferencePlan,
  runtime: SessionChoice,
  control: Control,
): Promise<Reference> {
  const total = images.rows.length * (images.views?.count ?? 1) * ingredients.length;
  const bar = control.progress(`measuring the reference of ${folded.length} layers`, total);
  const parts: { goals: Statistics[]; weight: number }[] = [];
  let [before, ran]: [number, Omit<Awaited<ReturnType<typeof outputMoments>>, 'goals'> | undefined] = [0, undefined];
  try {
    for (const { model: ingredient, weight } of ingredients) {
      const { goals, ...one } = await outputMoments(ingredient, layersLike(model, folded, ingredient), {
        ...sessionOptions(runtime),
        batches: () => numberedBatches(images, ONE_WORKER),
        onProgress: (done) => bar.update(before + done),
      });
      parts.push({ goals, weight });
      before += one.images;
      ran = one;
    }
  } finally {
    bar.end();
  }
  const goals = averagedGoals(parts);
  const { images: seen, provider, onnxruntime } = ran ?? {};
  const text = canonicalJson({ ...described, n_images: seen, provider, onnxruntime, goals_sha256: goalsHash(goals) });
  return { goals, text };
}
