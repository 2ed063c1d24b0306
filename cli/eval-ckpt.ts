#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { Argv } from 'yargs';
import { readError, TemperError, writeFileAtomic } from '../src/core/index.ts';
import { assertClassCount, transformHash } from '../src/data/index.ts';
import type { ValidClasses } from '../src/evaluate/index.ts';
import { csvText } from '../src/report/index.ts';
import { type ChosenData, DATA, type DataArguments, openData } from './support/data-options.ts';
import {
  type EvaluateArguments,
  evaluateSessions,
  type ModelEvaluation,
  sha256OfFile,
} from './support/evaluate-models.ts';
import { type Measured, type ModelScores, scoreModels } from './support/evaluation-record.ts';
import { missedGates, parseGate } from './support/gate.ts';
import { mainIfProgram } from './support/main.ts';
import { note, print, TALK, type Talk, WRITE } from './support/output-options.ts';
import { readPerImage, writePerImage } from './support/per-image-file.ts';
import { openSessions, RUNTIME } from './support/runtime-options.ts';
import { textTable } from './support/text-table.ts';
import { TRANSFORM } from './support/transform-options.ts';
import { version } from './support/version.ts';

/** Class indices of the model, one a line; a label is a position among them where the data has just as many classes. */
function readValidClasses(path: string, { dataset }: ChosenData): ValidClasses {
  let lines: string[];
  try {
    lines = readFileSync(path, 'utf8').split(/\s+/).filter(Boolean);
  } catch (error) {
    throw readError(path, error);
  }
  const bad = lines.find((line) => !/^\d+$/.test(line));
  if (bad !== undefined) {
    throw new TemperError('FORMAT_TABLE', `${path}: ${JSON.stringify(bad)} is no class index`, {
      hint: 'Write the indices of the classes that count, one a line.',
      details: { path },
    });
  }
  const classes = lines.map(Number);
  return { classes, labels: dataset.classes?.length === classes.length ? 'position' : 'class' };
}

const percent = (value: unknown): string => (typeof value === 'number' ? (100 * value).toFixed(2) : '');
const fixed = (value: unknown, digits: number): string => (typeof value === 'number' ? value.toFixed(digits) : '');

function evaluationText(scores: readonly ModelScores[]): string {
  const table = textTable(
    ['model', 'top-1 %', '95 % interval', 'top-5 %', 'NLL', 'Brier', 'ECE (if calibrated)', 'img/s', 'p50 ms'],
    scores.map(({ model, fields: f }) => [
      basename(model),
      percent(f.top1),
      `${percent(f.top1_lo)} to ${percent(f.top1_hi)}`,
      percent(f.top5),
      fixed(f.nll, 4),
      fixed(f.brier, 4),
      `${fixed(f.ece15, 4)} (${fixed(f.ece15_if_calibrated, 4)})`,
      fixed(f.img_s_model, 1),
      fixed(f.ms_p50, 2),
    ]),
  );
  const pairs = scores.filter(({ paired }) => paired);
  if (pairs.length === 0) return table;
  const paired = textTable(
    [`against ${String(pairs[0]?.fields.baseline)}`, 'top-1 points', '95 % interval', 'p (Holm)', 'smallest visible'],
    pairs.map(({ model, fields: f }) => [
      basename(model),
      percent(f.top1_difference),
      `${percent(f.top1_difference_lo)} to ${percent(f.top1_difference_hi)}`,
      fixed(f.mcnemar_p_holm, 4),
      percent(f.smallest_difference),
    ]),
  );
  return `${table}\n${paired}`;
}

interface MeasureArguments extends EvaluateArguments, DataArguments, Talk {
  readonly outputs: 'auto' | 'logits' | 'probabilities';
  readonly 'valid-classes'?: string | undefined;
}

async function measure(models: readonly string[], args: MeasureArguments): Promise<Measured[]> {
  const say = (text: string): void => note(args, text);
  const chosen = await openData(args, { labelled: true });
  try {
    const valid = args['valid-classes'] === undefined ? undefined : readValidClasses(args['valid-classes'], chosen);
    const sessions = await openSessions(models, args, say);
    try {
      for (const session of sessions) {
        const classes = session.outputs
          .find(({ name }) => args.output === undefined || name === args.output)
          ?.dims.at(-1);
        if (typeof classes === 'number' && !valid) assertClassCount(chosen.dataset, classes);
      }
      const { evaluations, quarantine } = await evaluateSessions(sessions, chosen, args, {
        outputs: args.outputs,
        ...(valid ? { valid } : {}),
      });
      for (const { key, error } of quarantine) say(`left out ${key}: ${error.message}`);
      const hashes = await Promise.all(models.map(sha256OfFile));
      return evaluations.map((evaluation, i) => {
        const model = models[i] as string;
        if (evaluation.outputs !== 'logits') say(`${model}: its outputs are ${evaluation.outputs}, scored as such`);
        return measured(model, hashes[i] as string, evaluation, chosen, quarantine.length, args.seed ?? 0);
      });
    } finally {
      await Promise.all(sessions.map((session) => session.close()));
    }
  } finally {
    await chosen.dataset.close();
  }
}

function measured(
  model: string,
  sha256: string,
  evaluation: ModelEvaluation,
  { dataset }: ChosenData,
  skipped: number,
  seed: number,
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
      model_sha256: sha256,
      data: basename(dataset.source),
      data_table_sha256: dataset.tableHash(),
      n_bad_images: skipped,
      test_size:
        transform.crop.height === transform.crop.width
          ? transform.crop.height
          : `${transform.crop.height}x${transform.crop.width}`,
      resize_size: transform.resize.height,
      crop_ratio: transform.crop.height / transform.resize.height,
      resize_rule: transform.resizeRule,
      interpolation: transform.interpolation,
      transform_sha256: transformHash(transform),
      outputs: evaluation.outputs,
      provider: session.provider,
      onnxruntime: session.ortVersion,
      seed,
      version,
    },
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
        .options({ ...DATA, ...TRANSFORM, ...RUNTIME, ...WRITE, ...TALK })
        .options({
          outputs: {
            choices: ['auto', 'logits', 'probabilities'] as const,
            default: 'auto' as const,
            describe: 'What the models give; auto recognises probabilities and scores them by log p',
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
          from: {
            type: 'string',
            describe: 'Compute everything from a --per-image file, without inference',
            group: 'Output:',
          },
        })
        .example('$0 a.onnx b.onnx --data val/ --preset timm --size 224', 'two models in one pass, compared in pairs')
        .example("$0 m.onnx --data val/ --gate 'top1>=0.76'", 'a release check')
        .example('$0 --from predictions.parquet', 'the same numbers again'),
    async (args) => {
      const gates = args.gate === undefined ? [] : args.gate.split(',').map(parseGate);
      if ((args.models.length === 0) === (args.from === undefined)) {
        throw new TemperError('USAGE', args.from === undefined ? 'no model is named' : '--from needs no models', {
          hint: 'Name models with --data, or a file with --from.',
        });
      }
      const found =
        args.from === undefined
          ? await measure(args.models, args)
          : (await readPerImage(args.from)).map((read) => ({
              ...read,
              timing: {},
              provenance: { seed: args.seed, version },
            }));
      const scores = scoreModels(found, args.seed ?? 0);
      const rows = scores.map(({ fields }) => fields);
      if (args['per-image'] !== undefined) writePerImage(args['per-image'], scores, args.force);
      if (args.out !== undefined)
        writeFileAtomic(args.out, csvText(Object.keys(rows[0] ?? {}), rows), { force: args.force });
      const missed = rows.flatMap((row) => missedGates(gates, row));
      print(
        args,
        { models: rows, gates: { passed: missed.length === 0, missed } },
        `${evaluationText(scores)}${missed.map((text) => `${text}\n`).join('')}`,
      );
      if (missed.length > 0) process.exitCode = 1;
    },
  );
}

await mainIfProgram(import.meta.url, 'eval-ckpt', addEvalCkpt);
