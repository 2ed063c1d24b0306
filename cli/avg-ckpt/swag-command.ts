import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Argv, InferredOptionTypes, Options } from 'yargs';
import { type PublishedOutput, type Row, averageFiles, swagRows } from '../../src/average/index.ts';
import type { BatchNormLayer } from '../../src/batchnorm/index.ts';
import { TemperError, version, writeError } from '../../src/core/index.ts';
import type { Predictions } from '../../src/evaluate/index.ts';
import type { TensorRecord } from '../../src/onnx/index.ts';
import { BayesianAverage, type NamedCandidate, makeCandidates } from '../../src/search/index.ts';
import { type ModelScores, scoreModels } from '../eval-ckpt/evaluation-record.ts';
import { evaluationText } from '../eval-ckpt/evaluation-text.ts';
import { type ChosenData, DATA, prefixedData } from '../shared/data-options.ts';
import { leaveOutAverages, planFiles, withModels } from '../shared/load-snapshots.ts';
import { interruptSignal } from '../shared/main.ts';
import { byteCount, grouped, oneNumber, wholeNumber } from '../shared/option-values.ts';
import { checkOutputs, note, print, TALK, type Talk, WRITE } from '../shared/output-options.ts';
import { progress } from '../shared/progress.ts';
import { RUNTIME } from '../shared/runtime-options.ts';
import { expandInputs } from '../shared/snapshot-inputs.ts';
import { TRANSFORM } from '../shared/transform-options.ts';
import { VIEWS } from '../shared/view-options.ts';
import { planOptions, SELECTION, TENSORS } from './average-options.ts';
import {
  type CandidateArguments,
  type CandidateData,
  candidateEvaluator,
  givenStatistics,
  type OpenedSnapshots,
  openCandidateData,
  openIngredients,
  recalibrableLayers,
} from './candidate-setup.ts';

const MEMORY = '2GiB';
const SAMPLES = 20;

const SWAG = grouped('SWAG:', {
  samples: { type: 'string', default: SAMPLES, describe: 'Samples to draw', coerce: wholeNumber('samples', 1) },
  rank: {
    type: 'string',
    describe: 'Columns of the low-rank covariance, of the newest snapshots; 0 is SWAG-Diag (default: up to 20)',
    coerce: wholeNumber('rank', 0),
  },
  scale: {
    type: 'string',
    describe: 'Scale of the covariance (default: 0.5, for SWAG-Diag 1; 0 is the mean)',
    coerce: oneNumber('scale'),
  },
  memory: {
    type: 'string',
    default: MEMORY,
    describe: 'Memory for snapshots, images and samples',
    coerce: byteCount('memory'),
  },
} as const satisfies Record<string, Options>);

const OUT = grouped('Output:', {
  'out-dir': { type: 'string', describe: 'Write the samples here, as swag_01.onnx, …; made if it is missing' },
} as const satisfies Record<string, Options>);

const { best: _, metrics: __, metric: ___, mode: ____, ...SNAPSHOTS } = SELECTION;
const { bn: _____, quantized: ______, ...MATCHING } = TENSORS;
const { seed, classes, 'on-bad-image': onBadImage } = DATA;
const ALL = {
  ...OUT,
  ...SWAG,
  ...prefixedData('val', 'with labels, to evaluate the mean of the predictions on', 'val'),
  ...prefixedData('bn', 'for the BatchNormalization statistics of each sample'),
  ...{ seed, classes, 'on-bad-image': onBadImage },
  ...SNAPSHOTS,
  ...MATCHING,
  ...VIEWS,
  ...TRANSFORM,
  ...RUNTIME,
  ...WRITE,
  ...TALK,
} as const satisfies Record<string, Options>;

type Arguments = InferredOptionTypes<typeof OUT & typeof SWAG & typeof SNAPSHOTS & typeof WRITE> &
  CandidateArguments &
  Talk & { readonly inputs: readonly string[] };

const everything = ({ rows }: ChosenData) => [{ name: 'evaluation', rows }];

/** What is known of a sample when it is written: the statistics that were measured for it. */
type Given = Map<TensorRecord, Uint8Array> | undefined;

interface Sampled {
  readonly scores: readonly ModelScores[];
  /** Per sample. */
  readonly given: readonly Given[];
}

/** Draws the samples in memory, gives each its statistics, and averages their predictions. */
async function evaluateSamples(
  opened: OpenedSnapshots,
  rows: readonly Row[],
  layers: readonly BatchNormLayer[],
  data: CandidateData,
  args: Arguments,
): Promise<Sampled> {
  const { ingredients } = opened;
  const evaluator = candidateEvaluator(opened, args);
  const [images] = data.parts as [CandidateData['parts'][number]];
  const average = new BayesianAverage(data.val.rows.length);
  const withStatistics = async (candidate: NamedCandidate): Promise<NamedCandidate> =>
    data.bnImages && layers.length > 0
      ? (await evaluator.recalibrate(candidate, layers, data.bnImages)).candidate
      : candidate;
  const mean: Row = { name: 'mean', coefficients: rows[0]?.coefficients ?? [], divisor: rows[0]?.divisor ?? 1 };
  const bar = progress(`evaluating ${rows.length} samples`, rows.length + 1, args.quiet);
  const given: Given[] = [];
  let swa: Predictions | undefined;
  let one: Predictions | undefined;
  let done = 0;
  try {
    for (const [i, row] of [mean, ...rows].entries()) {
      // One at a time: what a pass over the snapshots costs is little beside statistics and evaluation.
      const { candidates } = await makeCandidates(ingredients, [row]);
      const [made] = candidates;
      if (!made) throw new Error('one row makes one candidate');
      const candidate = await withStatistics({ ...made, name: row.name });
      if (i > 0) given.push(layers.length > 0 ? givenStatistics(opened, candidate, layers) : undefined);
      await evaluator.evaluate(
        [candidate],
        images,
        (predictions) => {
          if (i === 0) swa = predictions;
          else one ??= predictions;
        },
        i === 0 ? undefined : (_model, output, kind, first) => average.add(output, kind, first),
      );
      bar.update(++done);
    }
  } finally {
    bar.end();
  }
  const bayesian = average.predictions(swa as Predictions);
  const scores = scoreModels(
    [
      { model: 'SWA', predictions: swa as Predictions },
      { model: 'one sample', predictions: one as Predictions },
      { model: `SWAG, mean of ${rows.length}`, predictions: bayesian },
    ].map((measured) => ({ ...measured, timing: {}, provenance: {} })),
    args.seed ?? 0,
  );
  return { scores, given };
}

/** Does the mean of the samples' predictions lower the NLL? Beyond noise: the interval of the paired difference. */
function verdictText(scores: readonly ModelScores[]): string {
  const nll = scores.at(-1)?.paired?.nll;
  if (!nll) return '';
  const change = `${nll.difference.toFixed(4)} (${nll.lo.toFixed(4)} to ${nll.hi.toFixed(4)})`;
  if (nll.hi < 0) return `SWAG lowers the NLL: ${change}\n`;
  if (nll.lo > 0) return `SWAG raises the NLL: ${change}; use the SWA model\n`;
  return `SWAG does not change the NLL beyond noise: ${change}\n`;
}

function targetsOf(folder: string, rows: readonly Row[], inputs: readonly string[], force: boolean): string[] {
  try {
    if (!existsSync(folder)) mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw writeError(folder, error);
  }
  const targets = rows.map(({ name }) => join(folder, `${name}.onnx`));
  checkOutputs(targets, inputs, force);
  return targets;
}

async function swag(args: Arguments): Promise<void> {
  const say = (text: string): void => note(args, text);
  const signal = interruptSignal();
  const folder = args['out-dir'];
  const evaluates = args.val !== undefined;
  if (folder === undefined && !evaluates) {
    throw new TemperError('USAGE', 'nothing is asked for', {
      hint: 'Give --out-dir DIR for the samples, or --val SRC to evaluate them, or both.',
    });
  }
  if (args['bn-data'] !== undefined && !evaluates) {
    throw new TemperError('USAGE', '--bn-data without --val', {
      hint: 'Give --val too; or recalibrate the written samples with bn-recal.',
    });
  }
  const paths = expandInputs(args.inputs, args.pattern, leaveOutAverages(undefined, say));
  const plan = planFiles(paths, planOptions(args), args['allow-duplicates'], say);
  const rows = swagRows(plan.snapshots.length, {
    samples: args.samples as unknown as number,
    seed: args.seed ?? 0,
    rank: args.rank as unknown as number | undefined,
    scale: args.scale as unknown as number | undefined,
  });
  const targets = folder === undefined ? undefined : targetsOf(folder, rows, paths, args.force);
  await withModels(
    plan.snapshots.map(({ file }) => file),
    async (models) => {
      const memoryBytes = args.memory as unknown as number;
      const opened = openIngredients(plan, models, args, memoryBytes, say, signal);
      const layers = args['bn-data'] === undefined ? [] : recalibrableLayers(opened, true, say);
      if (layers.length === 0)
        say('statistics of the samples are the mean ones: give --bn-data, or run bn-recal on each');
      let sampled: Sampled | undefined;
      if (evaluates) {
        const template = models[opened.templateIndex] as (typeof models)[number];
        const data = await openCandidateData(template, args, everything, memoryBytes, say, signal);
        try {
          sampled = await evaluateSamples(opened, rows, layers, data, args);
        } finally {
          await data.close();
        }
      }
      const written: PublishedOutput[] = targets
        ? await averageFiles(
            {
              models,
              steps: plan.snapshots.map(({ step }) => step),
              templateIndex: opened.templateIndex,
              plan: opened.tensors,
              rules: opened.rules,
              rows,
              dtype: undefined,
              version,
              given: sampled?.given,
              allowNonfinite: args['allow-nonfinite'],
              signal,
            },
            targets,
            args.force,
          )
        : [];
      const [first] = rows;
      const document = {
        ...first?.swag,
        sample: undefined,
        samples: rows.length,
        snapshots: plan.snapshots.map(({ file }) => file),
        recalibrated_layers: layers.length,
        models: sampled?.scores.map(({ fields }) => fields) ?? null,
        outputs: written.map(({ path, bytes, sha256, data }) => ({ path, bytes, sha256, data: data ?? null })),
      };
      const text = sampled ? `${evaluationText(sampled.scores)}\n${verdictText(sampled.scores)}` : '';
      print(args, document, `${text}${written.map(({ path, sha256 }) => `${path}  sha256 ${sha256}\n`).join('')}`);
    },
  );
}

/** avg-ckpt swag: samples of the weights' posterior, and the mean of their predictions. */
export function addSwag(parser: Argv): Argv {
  return parser.command(
    'swag <inputs..>',
    'Draw weights around the mean (SWAG), and evaluate the mean of their predictions beside the mean of the weights',
    (y) =>
      y
        .positional('inputs', {
          type: 'string',
          array: true,
          demandOption: true,
          describe: 'A folder, files, or a glob',
        })
        .options(ALL)
        .example('$0 swag run/ --val val/ --bn-data train/', 'NLL and ECE of 20 samples together, beside SWA')
        .example('$0 swag run/ --samples 5 --out-dir samples', 'the samples as models'),
    async (args) => swag(args as unknown as Arguments),
  );
}
