import { type Control, canonicalHash, type FieldRow } from '../core/index.ts';
import type { Model } from '../onnx/index.ts';
import { assertFixedBatch, sayProvider, sessionOptions } from '../runtime/index.ts';
import { findSnapshots } from '../snapshots/index.ts';
import { halves, withCandidateData } from './candidate-data.ts';
import { type CandidateLayers, layerCount } from './candidate-layers.ts';
import { candidateBytes } from './candidate-weights.ts';
import type { CandidateEvaluator } from './evaluator.ts';
import type { ExpectedWork } from './expected-work.ts';
import {
  candidateEvaluator,
  foldedState,
  type OpenedSnapshots,
  recalibrableLayers,
  templateCandidate,
  withSnapshots,
} from './ingredients.ts';
import { DEFAULT_MEMORY_BYTES, memoryShares } from './memory-shares.ts';
import { type Family, linearRecipes, type Recipe } from './recipes.ts';
import { Repairer, repairableLayers } from './repair.ts';
import type { ResultsCache } from './results-cache.ts';
import type { SearchSetup } from './run-search.ts';
import type { BnMode, BnVariant } from './scorer.ts';
import { DEFAULT_FAMILIES, type SearchPlanOptions, statisticsMode } from './search-options.ts';
import type { SearchData } from './search-record.ts';

/** What these snapshots can have of what was asked for. */
interface Possible {
  readonly families: readonly Family[];
  /** The forms of each candidate. */
  readonly forms: readonly BnVariant[];
  /** The layers to measure. */
  readonly layers: CandidateLayers;
}

/** Order statistics of quantized weights are not defined here, and not every network keeps its layers. */
function possible(
  opened: OpenedSnapshots,
  include: readonly Family[],
  mode: BnMode,
  note: (text: string) => void,
): Possible {
  const left = opened.quantized && include.includes('robust');
  if (left) note('robust averages are left out: quantized snapshots have weighted means only');
  const families = left ? include.filter((family) => family !== 'robust') : include;
  if (mode === 'average' || mode === 'repair') return { families, forms: [mode], layers: { kept: [], folded: [] } };
  const isFolded = mode === 'auto' && repairableLayers(opened.ingredients.prepared).folded.length > 0;
  const layers = recalibrableLayers(opened, mode === 'recalibrate', isFolded ? () => {} : note);
  const measured: readonly BnVariant[] = layerCount(layers) > 0 ? ['recalibrate'] : [];
  if (mode === 'recalibrate') return { families, forms: measured, layers };
  // Where a map tells what was folded, it is recalibrated, and nothing is to be repaired.
  const isRepaired = isFolded && layers.folded.length === 0;
  return { families, forms: ['average', ...measured, ...(isRepaired ? (['repair'] as const) : [])], layers };
}

/** A search before it runs, and what its output needs beside the result. */
interface PreparedSearch {
  readonly opened: OpenedSnapshots;
  readonly data: SearchData;
  /** The layers that candidates were measured at. */
  readonly layers: CandidateLayers;
  readonly evaluator: CandidateEvaluator;
  readonly repairer: Repairer | undefined;
  /** Seed, provider and version of onnxruntime. */
  readonly facts: FieldRow;
}

/** What is said of the work before it begins. @param recipes those that are known before @param n snapshots */
type Expect = (
  recipes: readonly Recipe[],
  families: ReadonlySet<Family>,
  n: number,
  forms: readonly BnVariant[],
) => ExpectedWork;

/** What a job makes of a search. */
interface SearchUse<R, T> {
  /** Refuses what must not be done to these snapshots, before any work. */
  readonly check: (paths: readonly string[]) => void;
  readonly expect: Expect;
  readonly openCache: () => ResultsCache;
  readonly search: (setup: SearchSetup) => Promise<R>;
  readonly conclude: (result: R, prepared: PreparedSearch) => Promise<T>;
}

async function prepareSearch<R, T>(
  opened: OpenedSnapshots,
  { families: known, forms, layers }: Possible,
  data: SearchData,
  options: SearchPlanOptions,
  { note, progress, signal }: Control,
  { expect, openCache, search, conclude }: SearchUse<R, T>,
): Promise<T> {
  const { ingredients, plan, snapshot } = opened;
  const { last, window, decay, sigmaRel, output, memory = DEFAULT_MEMORY_BYTES } = options;
  const { device, threads } = sessionOptions(options);
  const { prepared } = ingredients;
  const { path } = opened.models[opened.templateIndex] as Model;
  const { trainImages: images } = data;
  const evaluator = candidateEvaluator(opened, options, data.val.dataset, signal);
  const repairer =
    forms.includes('repair') && images
      ? new Repairer({ prepared, path, snapshot, images, device, threads, signal })
      : undefined;
  const probed = await evaluator.probe(templateCandidate(opened));
  sayProvider(probed, device, note);
  const recipes = linearRecipes(plan.snapshots, { families: known, last, window, decay, sigmaRel, note });
  const facts = { seed: options.seed ?? 0, provider: probed.provider, onnxruntime: probed.ortVersion };
  const families = new Set(known);
  const expected = expect(recipes, families, ingredients.snapshots, forms);
  note(expected.text);
  const bar = progress('evaluating candidates', expected.total);
  const setup: SearchSetup = {
    ingredients,
    evaluator,
    recipes,
    families,
    forms,
    layers,
    foldedState: (row) => foldedState(opened, layers, row),
    selection: data.parts[0],
    report: data.parts[1],
    trainImages: images,
    repairer,
    memoryBytes: Math.max(candidateBytes(ingredients), memoryShares(memory).candidates),
    cache: openCache(),
    settingsHash: canonicalHash({ ...data.settings, ...facts, output: output ?? null }),
    trainHash: canonicalHash(data.trainSettings ?? null),
    onScored: (scored) => bar.update(scored),
  };
  let result: R;
  try {
    result = await search(setup);
  } finally {
    bar.end();
  }
  return conclude(result, { opened, data, layers, evaluator, repairer, facts });
}

/**
 * Opens snapshots and images, sets up the search that the options describe, and closes everything when it has run. Workers that are
 * given the same options set up the same search: the same candidates, in the same order, known by the same keys.
 * @throws TemperError as withSnapshots and withCandidateData
 */
export async function withSearch<R, T>(options: SearchPlanOptions, control: Control, use: SearchUse<R, T>): Promise<T> {
  const { order, start, end, every, include = DEFAULT_FAMILIES } = options;
  assertFixedBatch(options, 'the statistics of candidates hang on it');
  const mode = statisticsMode(options);
  const paths = findSnapshots(options, control.note);
  use.check(paths);
  const selected = { ...options, selection: { order, start, end, every } };
  return withSnapshots(
    paths,
    selected,
    control,
    () => {},
    async (opened) => {
      const found = possible(opened, include, mode, control.note);
      return withCandidateData(opened, options, halves, control, (data) =>
        prepareSearch(opened, found, data, options, control, use),
      );
    },
  );
}
