import { rowKey } from '../average/index.ts';
import { checkOutputs, controlOf, type JobControl } from '../core/index.ts';
import { labelWarnings } from '../evaluate/index.ts';
import type { Model, TensorRecord, WrittenModel } from '../onnx/index.ts';
import { fileReading } from '../signature/index.ts';
import type { CandidateLayers } from './candidate-layers.ts';
import { expectedWork } from './expected-work.ts';
import { givenStatistics, givenValues, type OpenedSnapshots } from './ingredients.ts';
import { knownRecipes } from './recipes.ts';
import type { Repairer } from './repair.ts';
import { isCacheFolder, openCacheFolder, openResultsCache } from './results-cache.ts';
import { type Reported, runSearch, type SearchResult, type SearchSetup } from './run-search.ts';
import type { SearchOptions } from './search-options.ts';
import { candidateName, chosenBy, foundRecord, type SearchRecord, settingFields } from './search-record.ts';
import { withSearch } from './search-setup.ts';
import { writeAverages } from './write-averages.ts';

/** What is evaluated when the results of workers are put together, in their folder. */
const MERGED_RESULTS = 'search.jsonl';

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

/** Says how many of the candidates that workers could have evaluated were evaluated here. */
function noteMissing(
  cache: string,
  { evaluated }: SearchResult,
  setup: SearchSetup,
  note: (text: string) => void,
): void {
  const shared = new Set(knownRecipes(setup.recipes, setup.ingredients.snapshots).map(({ row }) => rowKey(row)));
  const known = evaluated.filter(({ recipe }) => shared.has(rowKey(recipe.row)));
  const missing = known.filter(({ cached }) => !cached).length;
  if (missing === 0) return;
  note(
    `${missing} of ${known.length} evaluations that are known before were in no file of ${cache}: they were made here; workers need the same inputs, images, options and \`device\``,
  );
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
  const watched = controlOf(control);
  const { out, force = false, cache = `${out}.search.jsonl`, allowWorse = false, seed = 0 } = options;
  let began = 0;
  return withSearch(options, watched, {
    check(paths) {
      checkOutputs([out], paths, force);
      began = performance.now();
    },
    expect: expectedWork,
    openCache: () => (isCacheFolder(cache) ? openCacheFolder(cache, MERGED_RESULTS) : openResultsCache(cache)),
    async search(setup) {
      const result = await runSearch(setup);
      if (isCacheFolder(cache)) noteMissing(cache, result, setup, watched.note);
      return result;
    },
    async conclude(result, { opened, data, layers, evaluator, repairer, facts }) {
      const { models, plan } = opened;
      const seconds = (performance.now() - began) / 1000;
      const { bestSingle, best } = result.report;
      const chosen = result.verdict && !result.verdict.better && !allowWorse ? bestSingle : best;
      const labels = labelWarnings(bestSingle.predictions, bestSingle.classes).map(
        (text) => `${candidateName(bestSingle.evaluated)}: ${text}`,
      );
      for (const text of labels) watched.note(text);
      const [output] = await writeAverages(opened, [chosen.evaluated.recipe.row], [out], force, {
        given: [givenOf(opened, chosen, layers, repairer)],
        chosenBy: chosenBy(result, chosen.evaluated, data, facts),
        images: data,
      });
      const files = plan.snapshots.map(({ file }) => file);
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
    },
  });
}
