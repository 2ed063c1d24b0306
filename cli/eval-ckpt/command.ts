import { basename } from 'node:path';
import type { Argv } from 'yargs';
import { sha256OfFile, TemperError, version, writeFileAtomic } from '../../src/core/index.ts';
import { assertClassCount, type BadImage, parseShard } from '../../src/data/index.ts';
import type { OutputKind, ValidClasses } from '../../src/evaluate/index.ts';
import { modelFileSha256 } from '../../src/onnx/index.ts';
import { csvText, type FieldRow } from '../../src/report/index.ts';
import { classOutput } from '../../src/runtime/index.ts';
import { badImageDocument, sayBadImages, writeBadImages } from '../shared/bad-images.ts';
import { type ChosenData, DATA, type DataArguments, openData } from '../shared/data-options.ts';
import { interruptSignal } from '../shared/main.ts';
import { stringList } from '../shared/option-values.ts';
import { checkOutputs, note, print, TALK, type Talk, WRITE } from '../shared/output-options.ts';
import { commandLine, REPORT, reportFormat, writeReport } from '../shared/report-file.ts';
import { batchOf, GRAPH_OPTIMIZATION, openSessions, RUNTIME } from '../shared/runtime-options.ts';
import { modelInput, TRANSFORM } from '../shared/transform-options.ts';
import { transformFields, transformText } from '../shared/transform-record.ts';
import { type EvaluateArguments, evaluateSessions, type ModelEvaluation } from './evaluate-models.ts';
import { type Measured, numberRepeated, scoreModels } from './evaluation-record.ts';
import { evaluationPage } from './evaluation-report.ts';
import { shardRows, withPart } from './evaluation-shard.ts';
import { evaluationText, settingsText } from './evaluation-text.ts';
import { missedGates, parseGate } from './gate.ts';
import { joinPredictions } from './joined-predictions.ts';
import { isParquet, type WorkerPart, writePerImage } from './per-image-file.ts';
import { readValidClasses } from './valid-classes.ts';

/** What a file of predictions has settled. */
const NOT_WITH_FROM = [
  'data',
  'labels',
  'classes',
  'split',
  'rows',
  'limit',
  'valid-classes',
  'quarantine',
  ...Object.keys(TRANSFORM),
];
const isNamed = (path: string | undefined): path is string => path !== undefined;

const OUTPUTS = ['auto', 'logits', 'probabilities', 'sigmoid'] as const;

/** How outputs that are no logits are scored, for people. */
const SCORED_AS: Readonly<Partial<Record<OutputKind, string>>> = {
  probabilities: 'probabilities, scored as such: by ln p',
  'log-probabilities': 'log-probabilities, scored as such',
  sigmoid:
    'sigmoid scores (each in 0 to 1, no sum of 1), scored as the logits before the Sigmoid, ln(p / (1 - p)); ' +
    '--outputs logits would take them as they are',
};

interface MeasureArguments extends EvaluateArguments, DataArguments, Talk {
  readonly outputs: (typeof OUTPUTS)[number];
  readonly 'valid-classes'?: string | undefined;
  readonly shard?: string | undefined;
  readonly quarantine?: string | undefined;
}

interface Measurement {
  readonly measured: (Measured & { readonly part?: WorkerPart })[];
  readonly settings: string[];
  readonly quarantine: readonly BadImage[];
}

async function measure(models: readonly string[], args: MeasureArguments, signal: AbortSignal): Promise<Measurement> {
  const say = (text: string): void => note(args, text);
  const all = await openData(args, { labelled: true });
  try {
    const valid = args['valid-classes'] === undefined ? undefined : readValidClasses(args['valid-classes'], all);
    const sessions = await openSessions(models, args, say);
    try {
      for (const session of sessions) {
        const [, classes] = classOutput(session, args.output).dims;
        if (typeof classes === 'number' && !valid) assertClassCount(all.dataset, classes);
      }
      const batch = batchOf(
        args,
        sessions.map((session) => modelInput(session, args.input).batch),
      );
      const shard = args.shard === undefined ? undefined : parseShard(args.shard, process.env);
      const chosen = shard ? { ...all, rows: shardRows(all.rows, batch, shard) } : all;
      const hashes = await Promise.all(models.map(modelFileSha256));
      const subset = args['valid-classes'] === undefined ? {} : await subsetFields(args['valid-classes'], valid);
      const { evaluations, quarantine } = await evaluateSessions(sessions, chosen, args, {
        outputs: args.outputs,
        signal,
        ...(valid ? { valid } : {}),
      });
      const list = args.quarantine ?? (args.json ? 'bad_images' : undefined);
      sayBadImages(quarantine, say, list ? `all are in ${list}` : '--quarantine FILE.csv lists them');
      const names = numberRepeated(models);
      return {
        measured: evaluations.map((evaluation, i) => {
          const model = names[i] as string;
          const read = SCORED_AS[evaluation.outputs];
          if (read) say(`${model}: its outputs are ${read}`);
          const files = { model_sha256: hashes[i] as string, n_bad_images: quarantine.length, ...subset };
          const measured = measuredModel(model, files, evaluation, chosen, args);
          return shard ? withPart(measured, shard, batch) : measured;
        }),
        settings: evaluations.map((evaluation) => settingsOf(evaluation, chosen, valid)),
        quarantine,
      };
    } finally {
      await Promise.all(sessions.map((session) => session.close()));
    }
  } finally {
    await all.dataset.close();
  }
}

/** The subset of classes that is scored, as fields: how many, and which file says so. */
async function subsetFields(path: string, valid: ValidClasses | undefined): Promise<FieldRow> {
  return { valid_classes: valid?.classes.length, valid_classes_sha256: await sha256OfFile(path) };
}

function settingsOf(
  { transform, session, timing, predictions }: ModelEvaluation,
  { dataset }: ChosenData,
  valid: ValidClasses | undefined,
): string {
  const found = transform ? transformText(transform) : 'none: the data is network input';
  const subset = valid ? `, scored among ${valid.classes.length} classes` : '';
  return `${predictions.keys.length} images of ${dataset.source} on ${session.provider}, batches of ${timing.batch}${subset}; transform ${found}`;
}

function measuredModel(
  model: string,
  files: FieldRow,
  evaluation: ModelEvaluation,
  { dataset }: ChosenData,
  args: MeasureArguments,
): Measured {
  const { transform, timing, session } = evaluation;
  return {
    model,
    predictions: evaluation.predictions,
    timing: {
      img_s_model: timing.imagesPerSecond,
      img_s_end2end: evaluation.endToEndImagesPerSecond,
      ms_p50: timing.p50Ms,
      ms_p95: timing.p95Ms,
      batch: timing.batch,
    },
    provenance: {
      ...files,
      data: basename(dataset.source),
      data_table_sha256: dataset.tableHash(),
      rows: args.rows,
      limit: args.limit,
      ...transformFields(transform),
      outputs: evaluation.outputs,
      provider: session.provider,
      threads: args.threads,
      graph_optimization: args['graph-optimization'],
      onnxruntime: session.ortVersion,
      seed: args.seed ?? 0,
      version,
    },
  };
}

/** What files of predictions tell: no speed, no transform; their own hash stands for where they came from. */
async function measuredBefore(from: readonly string[], seed: number): Promise<Measurement> {
  const { models, fields } = await joinPredictions(from);
  return {
    measured: models.map((one) => ({ ...one, timing: {}, provenance: { ...fields, seed, version } })),
    settings: models.map(
      ({ predictions }) => `${predictions.keys.length} images of ${from.join(', ')}, measured before`,
    ),
    quarantine: [],
  };
}

/** eval-ckpt: the measurement that all other commands stand on. */
export function addEvalCkpt(parser: Argv): Argv {
  return parser.command(
    '$0 [models..]',
    'Measure classifiers: top-1, top-5, NLL, Brier, calibration, with intervals and paired tests',
    (y) =>
      y
        .positional('models', { type: 'string', array: true, default: [] as string[], describe: 'ONNX models' })
        .options({ ...DATA, ...TRANSFORM, ...RUNTIME, ...GRAPH_OPTIMIZATION, ...REPORT, ...WRITE, ...TALK })
        .options({
          outputs: {
            choices: OUTPUTS,
            default: 'auto' as const,
            describe:
              'What the models give; auto tells by the first batch, and scores p as ln p, sigmoid scores as ln(p/(1-p))',
            group: 'Scoring:',
          },
          'valid-classes': {
            type: 'string',
            describe: 'File of class indices: score on this subset (ImageNet-A, -R)',
            group: 'Scoring:',
          },
          gate: {
            type: 'string',
            describe: "Release check such as 'top1>=0.89' or top1:0.89; several with commas; exit code 1 if missed",
            group: 'Scoring:',
          },
          out: { type: 'string', describe: 'The table as CSV', group: 'Output:' },
          'per-image': {
            type: 'string',
            describe: 'Predictions of every image, as .csv or .parquet',
            group: 'Output:',
          },
          quarantine: {
            type: 'string',
            describe: 'Images that --on-bad-image skip left out, as CSV: row, key, code, message',
            group: 'Output:',
          },
          shard: {
            type: 'string',
            describe:
              'Worker i/n, env or env/n (Slurm array, Kubernetes indexed job); with --per-image, then --from all',
            group: 'Data:',
          },
          from: {
            type: 'string',
            describe: 'Compute everything from --per-image files, without inference; those of all workers, with commas',
            group: 'Output:',
          },
        })
        .conflicts('from', NOT_WITH_FROM)
        .example('$0 a.onnx b.onnx --data val/ --preset timm --size 224', 'two models in one pass, compared in pairs')
        .example("$0 m.onnx --data val/ --gate 'top1>=0.76'", 'a release check')
        .example('$0 --from predictions.parquet', 'the same numbers again')
        .example('$0 --from p-0.parquet,p-1.parquet', 'and those of two workers, --shard 0/2 and 1/2, as one')
        .epilogue(
          'Numbers in --json and CSV are fractions (0.8911). Exit codes: 1 a gate is missed, 2 usage, 3 input, 4 format, ' +
            '5 unsupported, 6 the data and the model do not fit, 7 execution, 8 NaN or Inf.',
        ),
    async (args) => {
      const signal = interruptSignal();
      const gates = args.gate === undefined ? [] : args.gate.split(',').map(parseGate);
      const { 'per-image': perImage, out, quarantine, report, seed = 0 } = args;
      const from = args.from === undefined ? undefined : stringList(args.from);
      if ((args.models.length === 0) === (from === undefined)) {
        throw new TemperError('USAGE', from === undefined ? 'no model is named' : '--from needs no models', {
          hint: 'Name models with --data, or a file with --from.',
        });
      }
      if (perImage !== undefined) isParquet(perImage);
      if (args.shard !== undefined && (perImage === undefined || gates.length > 0)) {
        throw new TemperError('USAGE', '--shard measures a part of the images', {
          hint: 'Give --per-image FILE on every worker; numbers and --gate come from eval-ckpt --from with all the files.',
        });
      }
      if (report !== undefined) reportFormat(report);
      if (quarantine !== undefined && args['on-bad-image'] !== 'skip') {
        throw new TemperError('USAGE', '--quarantine has no use with --on-bad-image fail', {
          hint: 'Add --on-bad-image skip, which leaves bad images out, or leave --quarantine out.',
        });
      }
      const inputs = [...args.models, args.data, args.labels, args.classes, args['valid-classes'], ...(from ?? [])];
      checkOutputs([perImage, out, quarantine, report].filter(isNamed), inputs.filter(isNamed), args.force);
      const found = from === undefined ? await measure(args.models, args, signal) : await measuredBefore(from, seed);
      const scores = scoreModels(found.measured, seed);
      signal.throwIfAborted();
      const rows = scores.map(({ fields }) => fields);
      if (perImage !== undefined) writePerImage(perImage, found.measured, args.force);
      if (quarantine !== undefined) writeBadImages(quarantine, found.quarantine, args.force);
      if (out !== undefined) writeFileAtomic(out, csvText(Object.keys(rows[0] ?? {}), rows), { force: args.force });
      const missed = rows.flatMap((row) => missedGates(gates, row));
      if (report !== undefined) {
        const gate = { passed: missed.length === 0, asked: args.gate, missed };
        writeReport(report, evaluationPage(scores, gate, commandLine('eval-ckpt')), args.force);
      }
      const settings = rows.map((row, i) => ({ model: String(row.model), text: found.settings[i] as string }));
      const verdict = gates.length > 0 && missed.length === 0 ? [`met ${args.gate}`] : missed;
      print(
        args,
        {
          models: rows,
          gates: { passed: missed.length === 0, missed },
          bad_images: found.quarantine.map(badImageDocument),
        },
        `${evaluationText(scores)}\n${settingsText(settings)}${verdict.map((text) => `${text}\n`).join('')}`,
      );
      if (missed.length > 0) process.exitCode = 1;
    },
  );
}
