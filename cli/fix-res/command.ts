import { basename } from 'node:path';
import type { Argv } from 'yargs';
import { type FieldRow, TemperError, canonicalJson, writeFileAtomic } from '../../src/core/index.ts';
import { splitRows } from '../../src/data/index.ts';
import { type HistoryRow, assertTrainable, cutModel, removeCheckpoint, tunedEdits } from '../../src/fixres/index.ts';
import { type Model, assertOutput, nextStepKey, openModel, writeEdited } from '../../src/onnx/index.ts';
import { csvText } from '../../src/report/index.ts';
import { interruptSignal } from '../shared/main.ts';
import { outputName } from '../shared/model-inputs.ts';
import { checkOutputs, note, print } from '../shared/output-options.ts';
import { commandLine, reportFormat, writeReport } from '../shared/report-file.ts';
import { batchOf } from '../shared/runtime-options.ts';
import { compareAtSizes, comparisonText, type MeasuredSet } from './fixres-evaluation.ts';
import { checkLabels, type Job, openSets, openTargets, sizesOf, sizeText } from './fixres-job.ts';
import { fixedSize, modelForSizes } from './fixres-model.ts';
import { FIX_RES, type FixResArguments, tuningOf } from './fixres-options.ts';
import { fixResPage, settingsFacts } from './fixres-report.ts';
import { checkpointPath, settingsOf, type Tuned, tune } from './fixres-tune.ts';

/** What can be refused before any work. @throws TemperError USAGE, OUTPUT_* */
function checkOptions(model: Model, args: FixResArguments): void {
  const { out, mode } = args;
  if (out === undefined) throw new TemperError('USAGE', 'no output is named', { hint: 'Give --out FILE.' });
  if (args.size === undefined) {
    throw new TemperError('USAGE', 'no test size is named', { hint: 'Give --size N, and --train-size N.' });
  }
  if (mode === 'stats' && args.patience !== undefined) {
    throw new TemperError('USAGE', '--patience has no use with --mode stats: nothing is trained', {
      hint: 'Leave it out.',
    });
  }
  assertOutput(model, out, args.force);
  const named = ['train', 'train-labels', 'val', 'val-labels', 'shifted', 'shifted-labels', 'classes'];
  const inputs = [args.model, ...named.flatMap((name) => (args[name] === undefined ? [] : [String(args[name])]))];
  if (args.report !== undefined) reportFormat(args.report);
  checkOutputs(
    [out, args.history, args.report].filter((path) => path !== undefined),
    inputs,
    args.force,
  );
}

async function fixRes(args: FixResArguments): Promise<void> {
  const signal = interruptSignal();
  const file = openModel(args.model);
  let sets: Awaited<ReturnType<typeof openSets>> | undefined;
  try {
    checkOptions(file, args);
    const fixed = fixedSize(file, args.input);
    const asked = [args['train-size'] ?? fixed, args.size].flatMap((size) =>
      size === undefined ? [] : [String(size)],
    );
    const { model, freed } = modelForSizes(file, args.input, asked, (text) => note(args, text));
    const batch = batchOf(args, [undefined]);
    const tuning = tuningOf(args, batch);
    const sizes = sizesOf(model, args, fixed);
    const cut = cutModel(model, args.mode, outputName(model, args.output));
    assertTrainable(cut);
    sets = await openSets(args);
    checkLabels(sets, cut, args.targets === undefined);
    const targets = await openTargets(args, sets.train);
    const { dataset } = sets.val;
    // An epoch that is chosen on some images must be judged on others.
    const halves = args.patience === undefined ? undefined : splitRows(dataset, sets.val.rows, args.seed ?? 0);
    const stop = halves && { dataset, rows: halves.selection };
    const guard = halves ? { dataset, rows: halves.report } : sets.val;
    const job: Job = { file, model, cut, args, tuning, sizes, sets, stop, targets, batch, signal, freed };
    if (cut.norm?.kind === 'folded')
      note(
        args,
        `${cut.norm.name}: its BatchNormalization was folded into it; moments at ${sizeText(sizes.train)} stand for it`,
      );
    const settings = await settingsOf(job);
    const tuned = await tune(job, canonicalJson(settings));
    await finish(job, tuned, settings, [
      { name: 'val', data: guard },
      ...(sets.shifted ? [{ name: 'shifted', data: sets.shifted } as const] : []),
    ]);
  } finally {
    await sets?.close();
    file.close();
  }
}

const historyRow = (row: HistoryRow): FieldRow => ({
  epoch: row.epoch,
  lr: row.lr,
  train_loss: row.train_loss,
  val_top1: row.val_top1,
  val_nll: row.val_nll,
});

/** Measures before and after at both sizes, and writes what is better. */
async function finish(
  { model, cut, args, sizes, signal }: Job,
  { state, history, epoch, images, ran }: Tuned,
  settings: Record<string, unknown>,
  measuredSets: readonly MeasuredSet[],
): Promise<void> {
  const out = args.out as string;
  const { edits, inline, changed } = tunedEdits(model, cut, state);
  const rows = history.map(historyRow);
  const fields = ['epoch', 'lr', 'train_loss', 'val_top1', 'val_nll'];
  if (args.history !== undefined) writeFileAtomic(args.history, csvText(fields, rows), { force: args.force });
  const comparisons = await compareAtSizes(model, edits, measuredSets, sizes.options, args, signal);
  const guard = comparisons.find(({ set, size }) => set === 'val' && size === sizeText(sizes.test))?.verdict;
  if (!guard) throw new Error('the model is measured at test size');
  const refused = !guard.better && !args['allow-worse'];
  const { classifier, norm } = cut;
  const layers = [
    ...(norm ? [`${norm.name}${norm.kind === 'folded' ? ' (folded)' : ''}`] : []),
    ...(cut.mode === 'stats' ? [] : [classifier.weight.name]),
  ].join(', ');
  const losses =
    history.length > 0
      ? `loss ${history[0]?.train_loss.toFixed(4)} to ${history.at(-1)?.train_loss.toFixed(4)} in ${history.length} epochs`
      : 'no training';
  const summary = `${cut.mode} of ${layers}: ${losses}, ${images} images and views`;
  if (args.report !== undefined) {
    const title = `FixRes of ${basename(model.path)}, ${sizeText(sizes.train)} to ${sizeText(sizes.test)} px`;
    const facts = settingsFacts({ ...settings, provider: ran.provider, onnxruntime: ran.onnxruntime });
    const command = commandLine('fix-res');
    const page = fixResPage(comparisons, guard, { epochs: rows, taken: epoch, title, summary, facts, command });
    writeReport(args.report, page, args.force);
  }
  const record = {
    ...settings,
    n_images: images,
    epoch,
    changed,
    provider: ran.provider,
    onnxruntime: ran.onnxruntime,
  };
  const metadata = { key: nextStepKey(model.record), value: canonicalJson(record) };
  const written = refused ? undefined : writeEdited(model, edits, { path: out, force: args.force, inline, metadata });
  removeCheckpoint(checkpointPath(out));
  print(
    args,
    {
      output: written ?? null,
      history: args.history ?? null,
      report: args.report ?? null,
      mode: cut.mode,
      layer: norm ? { name: norm.name, batch_normalization: norm.kind } : null,
      changed,
      n_images: images,
      epochs: rows,
      epoch,
      guard: {
        better: guard.better,
        top1_before: guard.before,
        top1_after: guard.after,
        mcnemar_p: guard.paired.p,
        n_images: guard.paired.n,
      },
      comparisons: comparisons.map(({ row }) => row),
    },
    `${comparisonText(comparisons)}\n${summary}\n` +
      `at test size: ${guard.text}\n${
        written
          ? `${written.path}  ${written.bytes} bytes  sha256 ${written.sha256}\n`
          : 'nothing was written: it is no better at test size (--allow-worse writes all the same)\n'
      }`,
  );
  if (refused) process.exitCode = 1;
}

/** fix-res: FixRes on an ONNX file. */
export function addFixRes(parser: Argv): Argv {
  return parser.command(
    '$0 <model>',
    'Tune the last BatchNormalization and the classifier for another test size (FixRes)',
    (y) =>
      y
        .positional('model', { type: 'string', demandOption: true, describe: 'ONNX classifier' })
        .options(FIX_RES)
        .example(
          '$0 r50.onnx --train train/ --val val/ --train-size 224 --size 320 --out r50-320.onnx',
          'as the reference: classifier trained, last BatchNormalization re-estimated',
        )
        .example(
          '$0 r50.onnx --train train/ --val val/ --size 288 --mode fc --transform v1 --epochs 10 --out r50-288.onnx',
          'the classifier alone: minutes, one vector an image in memory',
        )
        .epilogue('Exit code 1: nothing was written, as it is no better on --val at test size (exact paired test).'),
    async (args) => fixRes(args as unknown as FixResArguments),
  );
}
