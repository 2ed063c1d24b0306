import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { Argv } from 'yargs';
import { type PublishedOutput, type TensorPlan, averageFiles } from '../../src/average/index.ts';
import type { BatchNormLayer } from '../../src/batchnorm/index.ts';
import { type FieldRow, TemperError, canonicalJson, version, writeFileAtomic } from '../../src/core/index.ts';
import type { TensorRecord } from '../../src/onnx/index.ts';
import { csvText } from '../../src/report/index.ts';
import { parseDevice } from '../../src/runtime/index.ts';
import { Repairer, type Reported, type SearchResult, candidateBytes, linearRecipes, openResultsCache, searchAverages } from '../../src/search/index.ts';
import { type ModelScores, scoreModels } from '../eval-ckpt/evaluation-record.ts';
import { leaveOutAverages, planFiles, withModels } from '../shared/load-snapshots.ts';
import { interruptSignal } from '../shared/main.ts';
import { checkOutputs, note, print } from '../shared/output-options.ts';
import { progress } from '../shared/progress.ts';
import { commandLine, reportFormat, writeReport } from '../shared/report-file.ts';
import { expandInputs } from '../shared/snapshot-inputs.ts';
import { transformFields } from '../shared/transform-record.ts';
import { planOptions } from './average-options.ts';
import {
  type CandidateData,
  candidateEvaluator,
  givenStatistics,
  givenValues,
  halves,
  type OpenedSnapshots,
  openCandidateData,
  openIngredients,
  recalibrableLayers,
  templateCandidate,
} from './candidate-setup.ts';
import { ALL, bnMode, familiesOf, type SearchArguments } from './search-options.ts';
import { candidateName, candidateRows, searchText } from './search-output.ts';
import { searchPage } from './search-report.ts';

/** Order statistics of quantized weights are not defined here. */
function hasQuantized({ tensors }: TensorPlan, say: (text: string) => void): boolean {
  const found = tensors.some(({ treatment }) => treatment === 'quantized');
  if (found) say('robust averages are left out: quantized snapshots have weighted means only');
  return found;
}

/** What was measured on data: statistics, or the weights that follow from them. A repaired snapshot is the snapshot. */
function givenOf(
  opened: OpenedSnapshots,
  { candidate, evaluated: { bn, recipe } }: Reported,
  layers: readonly BatchNormLayer[],
  repairer: Repairer | undefined,
): ReadonlyMap<TensorRecord, Uint8Array> | undefined {
  if (bn === 'recalibrate') return givenStatistics(opened, candidate, layers);
  return repairer && recipe.family !== 'single' ? givenValues(opened, candidate, repairer.changed) : undefined;
}

/** What the output says about how it was chosen: nothing that a second run would not find again. */
function chosenBy(result: SearchResult, chosen: Reported, data: CandidateData, facts: FieldRow) {
  const { best, bestSingle, verdict, evaluated } = result;
  return {
    command: 'search',
    ...facts,
    candidates: evaluated.length,
    candidate: candidateName(chosen.evaluated),
    family: chosen.evaluated.recipe.family,
    statistics: chosen.evaluated.bn,
    selection: { n_images: best.metrics.n, top1: chosen.evaluated.metrics.top1, nll: chosen.evaluated.metrics.nll },
    report: verdict
      ? {
          n_images: verdict.paired.n,
          best: candidateName(best),
          best_single: candidateName(bestSingle),
          top1_best: verdict.after,
          top1_best_single: verdict.before,
          mcnemar_p: verdict.paired.p,
          better: verdict.better,
        }
      : null,
    data: { val: basename(data.val.dataset.source), ...data.settings, bn: data.bnSettings ?? null },
  };
}

function verdictText({ verdict, best, bestSingle }: SearchResult, allowWorse: boolean): string {
  if (!verdict) return `${candidateName(best)} is the best, and a single snapshot: no average did better\n`;
  const compared = `${candidateName(best)} against ${candidateName(bestSingle)}, the best single: ${verdict.text}\n`;
  if (verdict.better || allowWorse) return compared;
  return `${compared}nothing is better beyond noise: the best single snapshot was written (--allow-worse writes the average)\n`;
}

async function search(args: SearchArguments): Promise<void> {
  const say = (text: string): void => note(args, text);
  const signal = interruptSignal();
  const { out } = args;
  if (out === undefined) throw new TemperError('USAGE', 'no output is named', { hint: 'Give --out FILE.' });
  const cachePath = args.cache ?? `${out}.search.jsonl`;
  if (args.report !== undefined) reportFormat(args.report);
  const wanted = familiesOf(args.include);
  const mode = bnMode(args);
  const memoryBytes = args.memory as unknown as number;
  const paths = expandInputs(args.inputs, args.pattern, leaveOutAverages(out, say));
  const { last: _last, window: _window, decay: _decay, 'sigma-rel': _sigma, ...selecting } = args;
  const plan = planFiles(paths, planOptions(selecting), args['allow-duplicates'], say);
  checkOutputs(
    [out, args.csv, args.report].filter((path) => path !== undefined),
    paths,
    args.force,
  );
  const start = performance.now();
  await withModels(
    plan.snapshots.map(({ file }) => file),
    async (models) => {
      const opened = openIngredients(plan, models, args, memoryBytes, say, signal);
      const { ingredients } = opened;
      const families = wanted.filter((family) => family !== 'robust' || !hasQuantized(opened.tensors, say));
      const measures = mode === 'recalibrate' || mode === 'auto';
      const layers = measures ? recalibrableLayers(opened, mode === 'recalibrate', say) : [];
      const bn = measures && layers.length === 0 ? 'average' : mode;
      const template = ingredients.models[opened.templateIndex] as (typeof models)[number];
      const data = await openCandidateData(template, args, halves, memoryBytes, say, signal);
      try {
        const evaluator = candidateEvaluator(opened, args);
        const repairer =
          bn === 'repair' && data.bnImages
            ? new Repairer({
                prepared: ingredients.prepared,
                models: ingredients.models,
                images: data.bnImages,
                device: parseDevice(args.device),
                threads: args.threads,
                signal,
              })
            : undefined;
        const { provider, refused, ortVersion } = await evaluator.probe(templateCandidate(opened, template.path));
        if (args.device === 'auto') say(`running on ${provider}${refused.length > 0 ? ` (${refused[0]})` : ''}`);
        const recipes = linearRecipes(plan.snapshots, {
          families,
          last: args.last as number[] | undefined,
          window: args.window as number[] | undefined,
          decay: args.decay as number[] | undefined,
          sigmaRel: args['sigma-rel'] as number[] | undefined,
          note: say,
        });
        const expected = recipes.length + 2 * models.length;
        const bar = progress(`evaluating about ${expected} candidates`, expected * (bn === 'auto' ? 2 : 1), args.quiet);
        const facts = {
          seed: args.seed ?? 0,
          provider,
          onnxruntime: ortVersion,
        };
        const hash = (value: unknown): string => createHash('sha256').update(canonicalJson(value)).digest('hex');
        let result: SearchResult;
        try {
          result = await searchAverages({
            ingredients,
            evaluator,
            recipes,
            families: new Set(families),
            bn,
            layers,
            selection: data.parts[0] as CandidateData['parts'][number],
            report: data.parts[1] as CandidateData['parts'][number],
            bnImages: data.bnImages,
            repairer,
            memoryBytes: Math.max(candidateBytes(ingredients), memoryBytes / 4),
            cache: openResultsCache(cachePath),
            settingsHash: hash({ ...data.settings, ...facts, output: args.output ?? null }),
            bnHash: hash(data.bnSettings ?? null),
            onEvaluated: (done) => bar.update(done),
          });
        } finally {
          bar.end();
        }
        const seconds = (performance.now() - start) / 1000;
        const { bestSingle, uniform, best } = result.report;
        const chosen = result.verdict && !result.verdict.better && !args['allow-worse'] ? bestSingle : best;
        const scores = scoreModels(
          [...new Set([bestSingle, uniform, best])].map(({ evaluated, predictions }) => ({
            model: candidateName(evaluated),
            predictions,
            timing: {},
            provenance: {},
          })),
          args.seed ?? 0,
        );
        const settings: FieldRow = {
          data: basename(data.val.dataset.source),
          data_table_sha256: data.val.dataset.tableHash(),
          ...transformFields(data.transform),
          ...facts,
          version,
        };
        const rows = candidateRows(result, settings);
        if (args.csv !== undefined)
          writeFileAtomic(args.csv, csvText(Object.keys(rows[0] ?? {}), rows), { force: args.force });
        const [written] = await averageFiles(
          {
            models,
            steps: plan.snapshots.map(({ step }) => step),
            templateIndex: opened.templateIndex,
            plan: opened.tensors,
            rules: opened.rules,
            rows: [chosen.evaluated.recipe.row],
            dtype: undefined,
            version,
            given: [givenOf(opened, chosen, layers, repairer)],
            chosenBy: chosenBy(result, chosen, data, facts),
            allowNonfinite: args['allow-nonfinite'],
            signal,
          },
          [out],
          args.force,
        );
        finish(args, { result, chosen, scores, rows, written: written as PublishedOutput, opened, cachePath }, [
          seconds,
          evaluator.seconds,
        ]);
      } finally {
        await data.close();
      }
    },
  );
}

interface Finished {
  readonly result: SearchResult;
  readonly chosen: Reported;
  readonly scores: readonly ModelScores[];
  readonly rows: readonly FieldRow[];
  readonly written: PublishedOutput;
  readonly opened: OpenedSnapshots;
  readonly cachePath: string;
}

function finish(args: SearchArguments, found: Finished, [seconds, evaluating]: readonly [number, number]): void {
  const { result, chosen, scores, rows, written, opened, cachePath } = found;
  const { plan, inMemory } = opened;
  const snapshotReads = inMemory ? plan.snapshots.length : result.reads;
  const names = (members: readonly number[] | undefined): string[] | null =>
    members ? members.map((i) => basename(plan.snapshots[i]?.file ?? '')) : null;
  const { verdict } = result;
  const verdictLine = verdictText(result, args['allow-worse']);
  if (args.report !== undefined)
    writeReport(args.report, searchPage(result, rows, scores, verdictLine, commandLine('avg-ckpt')), args.force);
  const document = {
    output: { path: written.path, bytes: written.bytes, sha256: written.sha256, data: written.data ?? null },
    chosen: candidateName(chosen.evaluated),
    statistics: chosen.evaluated.bn,
    better_than_best_single: verdict ? verdict.better : null,
    mcnemar_p: verdict ? verdict.paired.p : null,
    report_split: scores.map(({ fields }) => fields),
    greedy_soup: names(result.greedy?.members),
    pruned_soup: names(result.pruned?.members),
    weights: Object.fromEntries(
      plan.snapshots.map(({ file }, i) => {
        const { coefficients, divisor } = chosen.evaluated.recipe.row;
        return [basename(file), (coefficients[i] as number) / divisor];
      }),
    ),
    snapshot_reads: snapshotReads,
    evaluations: result.evaluations,
    from_cache: result.fromCache,
    cache: cachePath,
    csv: args.csv ?? null,
    report: args.report ?? null,
    seconds,
    seconds_evaluating: evaluating,
    candidates: rows,
  };
  const work =
    `${result.evaluations} evaluations and ${result.fromCache} from ${cachePath}; ${snapshotReads} reads of ${plan.snapshots.length} snapshots; ` +
    `${seconds.toFixed(1)} s, of which ${evaluating.toFixed(1)} s in the network\n`;
  print(
    args,
    document,
    `${searchText(result, scores)}${verdictLine}${work}` +
      `${candidateName(chosen.evaluated)}: ${written.path}  ${written.bytes} bytes  sha256 ${written.sha256}\n`,
  );
}

/** avg-ckpt search: which average is best, by evaluation. */
export function addSearch(parser: Argv): Argv {
  return parser.command(
    'search <inputs..>',
    'Make many averages, evaluate each, and write the best; report it on images that chose nothing',
    (y) =>
      y
        .positional('inputs', {
          type: 'string',
          array: true,
          demandOption: true,
          describe: 'A folder, files, or a glob',
        })
        .options(ALL)
        .example(
          '$0 search run/ --val val/ --bn-data train/ --out best.onnx',
          'statistics averaged or measured, whichever is better',
        )
        .example('$0 search run/ --val val/ --include ema,power --decay 0.5,0.9 --out ema.onnx', '')
        .epilogue(
          'One class-balanced half of --val chooses, the other reports. If nothing is better than the best single snapshot beyond noise ' +
            '(exact McNemar test), that snapshot is written.',
        ),
    async (args) => search(args as unknown as SearchArguments),
  );
}
