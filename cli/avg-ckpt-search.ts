import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { Argv, InferredOptionTypes, Options } from 'yargs';
import { averageFiles, type PublishedOutput, type TensorPlan } from '../src/average/index.ts';
import { TemperError, writeFileAtomic } from '../src/core/index.ts';
import { canonicalJson } from '../src/data/index.ts';
import { csvText, type FieldRow } from '../src/report/index.ts';
import {
  BN_MODES,
  type BnMode,
  candidateBytes,
  FAMILIES,
  type Family,
  linearRecipes,
  openResultsCache,
  type Reported,
  type SearchResult,
  searchAverages,
} from '../src/select/index.ts';
import { planOptions, SELECTION, TENSORS } from './support/average-options.ts';
import {
  type CandidateArguments,
  type CandidateData,
  candidateEvaluator,
  givenStatistics,
  halves,
  type OpenedSnapshots,
  openCandidateData,
  openIngredients,
  recalibrableLayers,
  templateCandidate,
} from './support/candidate-setup.ts';
import { DATA, prefixedData } from './support/data-options.ts';
import { type ModelScores, scoreModels } from './support/evaluation-record.ts';
import { leaveOutAverages, planFiles, withModels } from './support/load-snapshots.ts';
import { interruptSignal } from './support/main.ts';
import { byteCount, grouped, numberList, stringList } from './support/option-values.ts';
import { checkOutputs, note, print, TALK, type Talk, WRITE } from './support/output-options.ts';
import { progress } from './support/progress.ts';
import { commandLine, REPORT, reportFormat, writeReport } from './support/report-file.ts';
import { RUNTIME } from './support/runtime-options.ts';
import { candidateName, candidateRows, searchText } from './support/search-output.ts';
import { searchPage } from './support/search-report.ts';
import { expandInputs } from './support/snapshot-inputs.ts';
import { TRANSFORM } from './support/transform-options.ts';
import { transformFields } from './support/transform-record.ts';
import { version } from './support/version.ts';
import { VIEWS } from './support/view-options.ts';

const MEMORY = '2GiB';
/** Not among the defaults: hundreds of evaluations. */
const OPTIONAL_FAMILIES: ReadonlySet<Family> = new Set(['learned']);
const DEFAULT_FAMILIES = FAMILIES.filter((family) => !OPTIONAL_FAMILIES.has(family));

const values = (option: string, describe: string): Options => ({
  type: 'string',
  describe,
  coerce: numberList(option),
});

const SEARCH = grouped('Candidates:', {
  include: {
    type: 'string',
    default: DEFAULT_FAMILIES.join(','),
    describe: `Kinds of averages, of ${FAMILIES.join(', ')}; single snapshots are always candidates`,
  },
  last: values('last', 'last: means of the newest k (default: every k)'),
  window: values('window', 'window: means of so many neighbours (default: a quarter and half of the snapshots)'),
  decay: values('decay', 'ema: decays per snapshot (default: 0.3 to 0.95)'),
  'sigma-rel': values('sigma-rel', 'power: relative widths (default: 0.05 to 0.25)'),
  bn: {
    choices: BN_MODES,
    describe:
      'Statistics of each candidate: averaged, measured on --bn-data, or the better of both (default: auto with --bn-data)',
  },
  memory: {
    type: 'string',
    default: MEMORY,
    describe: 'Memory for snapshots, images and candidates; what does not fit is read again',
    coerce: byteCount('memory'),
  },
} as const satisfies Record<string, Options>);

const OUT = grouped('Output:', {
  out: { type: 'string', describe: 'The chosen model' },
  csv: { type: 'string', describe: 'All candidates as CSV' },
  cache: { type: 'string', describe: 'Results that a later search goes on from (default: beside --out)' },
  'allow-worse': {
    type: 'boolean',
    default: false,
    describe: 'Write the best average although it is not better than the best snapshot beyond noise',
  },
} as const satisfies Record<string, Options>);

const { last: _, first: __, best: ___, metrics: ____, metric: _____, mode: ______, ...SNAPSHOTS } = SELECTION;
const { bn: _______, ...MATCHING } = TENSORS;
const { seed, classes, 'on-bad-image': onBadImage } = DATA;
const VAL = prefixedData('val', 'with labels: one half chooses, the other reports', 'val');
const BN_DATA = prefixedData('bn', 'for the BatchNormalization statistics of each candidate');
const ALL = {
  ...OUT,
  ...REPORT,
  ...SEARCH,
  ...VAL,
  ...BN_DATA,
  ...{ seed, classes, 'on-bad-image': onBadImage },
  ...SNAPSHOTS,
  ...MATCHING,
  ...VIEWS,
  ...TRANSFORM,
  ...RUNTIME,
  ...WRITE,
  ...TALK,
} as const satisfies Record<string, Options>;

type Arguments = InferredOptionTypes<typeof OUT & typeof REPORT & typeof SEARCH & typeof SNAPSHOTS & typeof WRITE> &
  CandidateArguments &
  Talk & { readonly inputs: readonly string[] };

function familiesOf(include: string): Family[] {
  return stringList(include).map((text) => {
    const family = FAMILIES.find((known) => known === text.trim());
    if (family) return family;
    throw new TemperError('USAGE', `--include ${text}: expected ${FAMILIES.join(', ')}`);
  });
}

/** Order statistics of quantized weights are not defined here. */
function hasQuantized({ tensors }: TensorPlan, say: (text: string) => void): boolean {
  const found = tensors.some(({ treatment }) => treatment === 'quantized');
  if (found) say('robust averages are left out: quantized snapshots have weighted means only');
  return found;
}

/** What `--bn` means for this network and these data. */
function bnMode(args: Arguments): BnMode {
  const hasData = args['bn-data'] !== undefined;
  const mode = (args.bn as BnMode | undefined) ?? (hasData ? 'auto' : 'average');
  if (mode === 'average' || hasData) return mode;
  throw new TemperError('USAGE', `--bn ${mode} needs images to measure statistics on`, { hint: 'Give --bn-data SRC.' });
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

async function search(args: Arguments): Promise<void> {
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
      const layers = mode === 'average' ? [] : recalibrableLayers(opened, mode === 'recalibrate', say);
      const bn = layers.length === 0 ? 'average' : mode;
      const template = ingredients.models[opened.templateIndex] as (typeof models)[number];
      const data = await openCandidateData(template, args, halves, memoryBytes, say, signal);
      try {
        const evaluator = candidateEvaluator(opened, args);
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
            given: [
              chosen.evaluated.bn === 'recalibrate' ? givenStatistics(opened, chosen.candidate, layers) : undefined,
            ],
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

function finish(args: Arguments, found: Finished, [seconds, evaluating]: readonly [number, number]): void {
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
    async (args) => search(args as unknown as Arguments),
  );
}
