import {
  type Control,
  canonicalHash,
  checkOutputs,
  controlOf,
  type FieldRow,
  type JobControl,
  TemperError,
} from '../core/index.ts';
import { labelWarnings } from '../evaluate/index.ts';
import type { Model, TensorRecord, WrittenModel } from '../onnx/index.ts';
import { assertFixedBatch, sayProvider, sessionOptions } from '../runtime/index.ts';
import { fileReading } from '../signature/index.ts';
import { findSnapshots } from '../snapshots/index.ts';
import { halves, type MeasuringOptions, withCandidateData } from './candidate-data.ts';
import { type CandidateLayers, layerCount } from './candidate-layers.ts';
import { candidateBytes } from './candidate-weights.ts';
import type { CandidateEvaluator } from './evaluator.ts';
import { expectedWork } from './expected-work.ts';
import {
  candidateEvaluator,
  foldedState,
  givenStatistics,
  givenValues,
  type OpenedSnapshots,
  recalibrableLayers,
  templateCandidate,
  withSnapshots,
} from './ingredients.ts';
import { DEFAULT_MEMORY_BYTES, memoryShares } from './memory-shares.ts';
import { FAMILIES, type Family, linearRecipes, type RecipeOptions } from './recipes.ts';
import { Repairer, repairableLayers } from './repair.ts';
import { openResultsCache } from './results-cache.ts';
import { type Reported, runSearch, type SearchResult } from './run-search.ts';
import type { BnMode, BnVariant } from './scorer.ts';
import {
  candidateName,
  chosenBy,
  foundRecord,
  type SearchData,
  type SearchRecord,
  settingFields,
} from './search-record.ts';
import { writeAverages } from './write-averages.ts';

/** What `searchAverages` tries, on which images, and where the best goes. */
export interface SearchOptions extends MeasuringOptions, Pick<RecipeOptions, 'last' | 'window' | 'decay' | 'sigmaRel'> {
  /** The chosen model. */
  readonly out: string;
  /** Replace `out` if it exists. @default false */
  readonly force?: boolean | undefined;
  /** Kinds of averages; single snapshots are always candidates. @default all but 'learned', which takes hundreds of evaluations */
  readonly include?: readonly Exclude<Family, 'single'>[] | undefined;
  /**
   * BatchNormalization statistics of each candidate; `auto` tries all that the network allows.
   * @default 'auto' with `train`, else 'average'
   */
  readonly bn?: BnMode | undefined;
  /** Results that a later search goes on from. @default beside `out`: `<out>.search.jsonl` */
  readonly cache?: string | undefined;
  /** Write the best average although it is not better than the best snapshot beyond noise. @default false */
  readonly allowWorse?: boolean | undefined;
}

const DEFAULT_FAMILIES = FAMILIES.filter((family) => family !== 'learned');

/** What `bn` means for these data. @throws TemperError USAGE */
export function statisticsMode({ bn, train }: Pick<SearchOptions, 'bn' | 'train'>): BnMode {
  const mode = bn ?? (train ? 'auto' : 'average');
  if (mode === 'average' || train) return mode;
  throw new TemperError('USAGE', `\`bn\` ${mode} needs images to measure statistics on`, { hint: 'Give `train` SRC.' });
}

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

/** A search that ran, and what its output needs beside the result. */
interface Searched {
  readonly result: SearchResult;
  readonly repairer: Repairer | undefined;
  /** Seed, provider and version of onnxruntime. */
  readonly facts: FieldRow;
  readonly evaluator: CandidateEvaluator;
}

async function search(
  opened: OpenedSnapshots,
  { families, forms, layers }: Possible,
  data: SearchData,
  options: SearchOptions & { readonly cache: string },
  { note, progress, signal }: Control,
): Promise<Searched> {
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
  const recipes = linearRecipes(plan.snapshots, { families, last, window, decay, sigmaRel, note });
  const facts = { seed: options.seed ?? 0, provider: probed.provider, onnxruntime: probed.ortVersion };
  const expected = expectedWork(recipes, new Set(families), ingredients.snapshots, forms);
  note(expected.text);
  const bar = progress('evaluating candidates', expected.total);
  try {
    const result = await runSearch({
      ingredients,
      evaluator,
      recipes,
      families: new Set(families),
      forms,
      layers,
      foldedState: (row) => foldedState(opened, layers, row),
      selection: data.parts[0],
      report: data.parts[1],
      trainImages: images,
      repairer,
      memoryBytes: Math.max(candidateBytes(ingredients), memoryShares(memory).candidates),
      cache: openResultsCache(options.cache),
      settingsHash: canonicalHash({ ...data.settings, ...facts, output: output ?? null }),
      trainHash: canonicalHash(data.trainSettings ?? null),
      onScored: (scored) => bar.update(scored),
    });
    return { result, repairer, facts, evaluator };
  } finally {
    bar.end();
  }
}

/** What was measured on data: statistics, or the weights that follow from them. A repaired snapshot is the snapshot. */
function givenOf(
  opened: OpenedSnapshots,
  { candidate, evaluated: { bn, recipe } }: Reported,
  layers: CandidateLayers,
  repairer: Repairer | undefined,
): ReadonlyMap<TensorRecord, Uint8Array> | undefined {
  if (bn === 'recalibrate') return givenStatistics(opened, candidate, layers);
  return repairer && bn === 'repair' && recipe.family !== 'single'
    ? givenValues(opened, candidate, repairer.changed)
    : undefined;
}

/**
 * Makes many averages of the snapshots of a run in memory (means of the newest, windows, EMAs, power profiles, order statistics,
 * soups), evaluates each, and writes the best. One class-balanced half of `val` chooses, the other reports: if nothing there is
 * better than the best single snapshot beyond noise (exact McNemar test), that snapshot is written. Every result goes to `cache`,
 * so that a longer search goes on from it. Soups: Wortsman et al. 2022, arXiv 2203.05482.
 * Memory: `memory`, two sessions, and the graph.
 * @returns a record: `candidates[i].fields` are the rows of the table (fractions are fractions), `report` the scores on the images
 * that chose nothing
 * @throws TemperError USAGE, INPUT_*, FORMAT_*, UNSUPPORTED_*, MISMATCH_*, EXECUTION_*, NUMERIC_*, OUTPUT_*; the signal's reason
 * @example
 * const { chosen, verdict } = await searchAverages({
 *   inputs: ['run/'],
 *   val: { source: 'val/' },
 *   train: { source: 'train/' },
 *   transform: { preset: 'timm', size: 224 },
 *   out: 'best.onnx',
 * });
 * console.log(chosen.name, verdict?.text);
 */
export async function searchAverages(options: SearchOptions, control: JobControl = {}): Promise<SearchRecord> {
  assertFixedBatch(options, 'the statistics of candidates hang on it');
  const watched = controlOf(control);
  const { note } = watched;
  const { order, start, end, every, out, force = false, seed = 0 } = options;
  const { include = DEFAULT_FAMILIES, cache = `${out}.search.jsonl`, allowWorse = false } = options;
  const mode = statisticsMode(options);
  const paths = findSnapshots(options, note);
  checkOutputs([out], paths, force);
  const began = performance.now();
  const selected = { ...options, selection: { order, start, end, every } };
  return withSnapshots(
    paths,
    selected,
    watched,
    () => {},
    async (opened) => {
      const { models, plan } = opened;
      const files = plan.snapshots.map(({ file }) => file);
      const found = possible(opened, include, mode, note);
      return withCandidateData(opened, options, halves, watched, async (data) => {
        const searched = await search(opened, found, data, { ...options, cache }, watched);
        const { result, repairer, facts, evaluator } = searched;
        const seconds = (performance.now() - began) / 1000;
        const { bestSingle, best } = result.report;
        const chosen = result.verdict && !result.verdict.better && !allowWorse ? bestSingle : best;
        const given = givenOf(opened, chosen, found.layers, repairer);
        const labels = labelWarnings(bestSingle.predictions, bestSingle.classes).map(
          (text) => `${candidateName(bestSingle.evaluated)}: ${text}`,
        );
        for (const text of labels) note(text);
        const why = chosenBy(result, chosen.evaluated, data, facts);
        const [output] = await writeAverages(opened, [chosen.evaluated.recipe.row], [out], force, {
          given: [given],
          chosenBy: why,
          images: data,
        });
        return {
          output: output as WrittenModel,
          ...foundRecord(result, chosen.evaluated, files, settingFields(data, facts), seed),
          reading: fileReading(models[opened.templateIndex] as Model, options, {
            transform: data.transform,
            choice: options.transform,
          }),
          snapshotReads: opened.inMemory ? files.length : result.reads,
          cache,
          warnings: [...labels, ...data.pictureNotes],
          seconds,
          evaluatingSeconds: evaluator.seconds,
        };
      });
    },
  );
}
