import type { Argv, InferredOptionTypes } from 'yargs';
import { TemperError, writeFileAtomic } from '../../src/core/index.ts';
import { assertClassCount } from '../../src/data/index.ts';
import { csvText } from '../../src/report/index.ts';
import { numberRepeated, shortNames } from '../eval-ckpt/evaluation-record.ts';
import { badImageDocument, sayBadImages } from '../shared/bad-images.ts';
import { DATA, openData } from '../shared/data-options.ts';
import { interruptSignal } from '../shared/main.ts';
import { stringList } from '../shared/option-values.ts';
import { checkOutputs, note, print, TALK, WRITE } from '../shared/output-options.ts';
import { commandLine, REPORT, reportFormat, writeReport } from '../shared/report-file.ts';
import { RUNTIME, workersOf } from '../shared/runtime-options.ts';
import { runSweep } from './run-sweep.ts';
import { choiceDocument, choiceText, chooseSizes } from './sweep-choice.ts';
import { openSweepModels } from './sweep-models.ts';
import { BN_DATA, SWEEP, SWEEP_TRANSFORM } from './sweep-options.ts';
import { planCells } from './sweep-plan.ts';
import { predictedRatios, predictionDocument, predictionText } from './sweep-prediction.ts';
import { type SweptRow, sweptRows } from './sweep-record.ts';
import { sweepPage } from './sweep-report.ts';
import { sweepText } from './sweep-text.ts';

const OPTIONS = {
  ...SWEEP,
  ...DATA,
  ...BN_DATA,
  ...SWEEP_TRANSFORM,
  ...RUNTIME,
  ...REPORT,
  ...WRITE,
  ...TALK,
};
type Arguments = InferredOptionTypes<typeof OPTIONS> & {
  readonly models: readonly string[];
  readonly out?: string | undefined;
} & Readonly<Record<string, unknown>>;

/** What can be refused before any work. @throws TemperError USAGE, OUTPUT_* */
function checkArguments(args: Arguments): void {
  if ((args.bn === 'recalibrate') !== (args['bn-data'] !== undefined)) {
    throw new TemperError(
      'USAGE',
      args.bn === 'recalibrate' ? '--bn recalibrate needs images' : '--bn-data has no use',
      { hint: 'Give --bn recalibrate --bn-data SRC, images of training.' },
    );
  }
  const inputs = [...args.models, args.data, args.labels, args.classes, args['bn-data']];
  const isPath = (path: unknown): path is string => typeof path === 'string';
  if (args.report !== undefined) reportFormat(args.report);
  checkOutputs([args.out, args.report].filter(isPath), inputs.filter(isPath), args.force);
}

/** Rows that could not be measured, or should not be believed, are said once each. */
function sayVerdicts(rows: readonly SweptRow[], say: (text: string) => void): void {
  for (const { cell, model, verdict } of rows) {
    if (verdict.verdict !== 'safe') say(`${model.name} at ${cell.size} px is ${verdict.verdict}: ${verdict.reason}`);
  }
}

async function sweep(args: Arguments): Promise<void> {
  const signal = interruptSignal();
  const say = (text: string): void => note(args, text);
  checkArguments(args);
  const chosen = await openData(args, { labelled: true });
  try {
    if (chosen.dataset.kind === 'tensor') {
      throw new TemperError('USAGE', `${chosen.dataset.source}: numbers ready for the network have one size`, {
        hint: 'Name a data set of images: a sweep resizes them.',
      });
    }
    const names = shortNames(numberRepeated(args.models));
    const models = await openSweepModels(args.models, names, {
      trainSizes: args['train-size'],
      testPool: args['test-pool'],
      args,
      say,
    });
    try {
      for (const { classes } of models) assertClassCount(chosen.dataset, classes);
      const axes = {
        sizes: args.sizes,
        cropRatios: args['crop-ratios'] ?? [undefined],
        interpolations: args.interpolations === undefined ? [undefined] : stringList(args.interpolations),
        recalibrate: args.bn === 'recalibrate',
        testPool: args['test-pool'],
      };
      const cells = planCells(models, axes, args);
      const run = await runSweep({ models, cells, chosen, args, signal, note: say });
      const seed = args.seed ?? 0;
      const predictions = predictedRatios(models, run.sources, cells, args.scale, seed);
      const rows = sweptRows(run.swept, {
        chosen,
        skipped: run.quarantine.length,
        seed,
        workers: workersOf(args),
        apparent: predictions && new Map(predictions.map(({ model, apparent }) => [model, apparent])),
        args,
      });
      const choices = chooseSizes(rows, seed);
      signal.throwIfAborted();
      sayBadImages(run.quarantine, say);
      sayVerdicts(rows, say);
      const fields = rows.map((row) => row.fields);
      if (args.out !== undefined) {
        writeFileAtomic(args.out, csvText(Object.keys(fields[0] ?? {}), fields), { force: args.force });
      }
      if (args.report !== undefined) {
        writeReport(args.report, sweepPage({ rows, choices, predictions }, commandLine('res-sweep')), args.force);
      }
      print(
        args,
        {
          rows: fields,
          choices: choices.map(choiceDocument),
          predicted: predictions?.map(predictionDocument) ?? null,
          bad_images: run.quarantine.map(badImageDocument),
        },
        [sweepText(rows), choiceText(choices, args.recommend), predictionText(predictions)].filter(Boolean).join('\n'),
      );
    } finally {
      await Promise.all(models.map((model) => model.close()));
    }
  } finally {
    await chosen.dataset.close();
  }
}

/** res-sweep: at which size should this model be tested, and is it worth the time? */
export function addResSweep(parser: Argv): Argv {
  return parser.command(
    '$0 <models..>',
    'Measure models at many sizes, crop ratios and filters in one pass over the images',
    (y) =>
      y
        .positional('models', { type: 'string', array: true, demandOption: true, describe: 'ONNX models' })
        .options(OPTIONS)
        .options({ out: { type: 'string', describe: 'The table as CSV', group: 'Output:' } })
        .example('$0 m.onnx --data val/ --train-size 224 --sizes 160:384:32 --preset timm', 'the ratio table')
        .example('$0 m.onnx --data val/ --train-size 224 --sizes 1x,1.14x,1.29x --crop-ratios 0.875,1', 'a grid')
        .epilogue(
          'Numbers in --json and CSV are fractions (0.8911). Exit codes: 2 usage, 3 input, 4 format, 5 unsupported, ' +
            '6 the data and the models do not fit, 7 no row could run, 8 NaN or Inf.',
        ),
    async (args) => sweep(args as unknown as Arguments),
  );
}
