#!/usr/bin/env node
import { basename, dirname, resolve } from 'node:path';
import type { Argv, InferredOptionTypes, Options } from 'yargs';
import type { Ran } from '../src/batchnorm/index.ts';
import { TemperError, writeFileAtomic } from '../src/core/index.ts';
import { assertClassCount, canonicalJson, type Transform, transformHash } from '../src/data/index.ts';
import {
  type Cut,
  collectFeatures,
  cutModel,
  fit,
  type HistoryRow,
  initialState,
  labelTargets,
  layerMoments,
  openScorer,
  openTrainer,
  readCheckpoint,
  removeCheckpoint,
  setFoldedLayer,
  setStatistics,
  type TrainState,
  tunedEdits,
} from '../src/fixres/index.ts';
import { assertOutput, type Model, nextStepKey, openModel, writeEdited } from '../src/onnx/index.ts';
import { csvText, type FieldRow } from '../src/report/index.ts';
import { parseDevice } from '../src/runtime/index.ts';
import { splitRows } from '../src/select/index.ts';
import { argumentsOf, type ChosenData, DATA, openData } from './support/data-options.ts';
import { compareAtSizes, comparisonText, type MeasuredSet, type SizeOptions } from './support/fixres-evaluation.ts';
import { batchesOfViews } from './support/fixres-images.ts';
import { TUNING, TUNING_DATA, type Tuning, tuningOf } from './support/fixres-options.ts';
import { interruptSignal, mainIfProgram } from './support/main.ts';
import { declaredInputs } from './support/model-inputs.ts';
import { modelHashes } from './support/moments-job.ts';
import { grouped } from './support/option-values.ts';
import { checkOutputs, note, print, TALK, WRITE } from './support/output-options.ts';
import { progress } from './support/progress.ts';
import { rowsHash } from './support/recalibration.ts';
import { batchOf, RUNTIME, workersOf } from './support/runtime-options.ts';
import { modelInput, TRANSFORM, transformFor } from './support/transform-options.ts';
import { version } from './support/version.ts';

const OUT = grouped('Output:', {
  out: { type: 'string', describe: 'The tuned model' },
  history: { type: 'string', describe: 'The epochs as CSV: rate, loss, and with --patience what was found on --val' },
} as const satisfies Record<string, Options>);

const { seed, classes, 'on-bad-image': onBadImage } = DATA;
const ALL = {
  ...OUT,
  ...TUNING,
  ...TUNING_DATA,
  ...{ seed, classes, 'on-bad-image': onBadImage },
  ...TRANSFORM,
  ...RUNTIME,
  ...WRITE,
  ...TALK,
};
type Arguments = InferredOptionTypes<typeof ALL> & { readonly model: string } & Record<string, unknown>;

/** What a dynamic network was trained at, if nobody says otherwise. */
const DEFAULT_TRAIN_SIZE = 224;

/** The transforms of both sizes. */
interface Sizes {
  readonly train: Transform;
  readonly test: Transform;
  /** The sizes to measure at: one where they are equal. */
  readonly options: readonly SizeOptions[];
}

const sizeText = ({ crop: { height, width } }: Transform): string =>
  height === width ? String(height) : `${height}x${width}`;

/** The train size has the options of the test size, a resize target in proportion. */
function sizesOf(model: Model, args: Arguments): Sizes {
  const declared = declaredInputs(model);
  const test = transformFor(args, declared, args.input, 0, 1);
  const size = String(args['train-size'] ?? modelInput(declared, args.input).fixed?.height ?? DEFAULT_TRAIN_SIZE);
  const scale = Number(size) / Math.min(test.crop.height, test.crop.width);
  const resize = args.resize === undefined ? undefined : String(Math.round(Number(args.resize) * scale));
  const train = transformFor({ ...args, size, ...(resize ? { resize } : {}) }, declared, args.input, 0, 1);
  const at = { size: sizeText(train), resize };
  const then = { size: sizeText(test), resize: args.resize === undefined ? undefined : String(args.resize) };
  return { train, test, options: at.size === then.size ? [then] : [at, then] };
}

interface Opened {
  readonly train: ChosenData;
  readonly val: ChosenData;
  readonly shifted: ChosenData | undefined;
}

async function openSets(args: Arguments): Promise<Opened & { close(): Promise<void> }> {
  const opened: ChosenData[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(opened.map(({ dataset }) => dataset.close()));
  };
  const open = async (prefix: string, labelled: boolean): Promise<ChosenData> => {
    const chosen = await openData(argumentsOf(prefix, args, prefix), { labelled });
    opened.push(chosen);
    if (chosen.dataset.kind !== 'tensor') return chosen;
    throw new TemperError(
      'USAGE',
      `--${prefix} ${chosen.dataset.source}: numbers ready for the network have one size`,
      {
        hint: 'Name a data set of images.',
      },
    );
  };
  try {
    for (const name of ['train', 'val'])
      if (args[name] === undefined)
        throw new TemperError('USAGE', `no --${name} is named`, { hint: `Give --${name} SRC.` });
    const train = await open('train', args.mode !== 'stats');
    const val = await open('val', true);
    const shifted = args.shifted === undefined ? undefined : await open('shifted', true);
    return { train, val, shifted, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Labels must fit the classifier, and name more than one class. @throws TemperError MISMATCH_VALUE, FORMAT_LABEL, INPUT_TOO_FEW */
function checkLabels({ train, val, shifted }: Opened, cut: Cut): void {
  for (const chosen of [train, val, shifted]) if (chosen) assertClassCount(chosen.dataset, cut.tail.classes);
  if (cut.mode === 'stats') return;
  const { dataset, rows } = train;
  const labels = new Set(Array.from(rows, (row) => dataset.sample(row).label));
  if (labels.size > 1) return;
  throw new TemperError(
    'INPUT_TOO_FEW',
    `${dataset.source}: all ${rows.length} images are of class ${[...labels][0]}`,
    {
      hint: 'A classifier is trained on several classes: choose other rows.',
      details: { path: dataset.source },
    },
  );
}

/** Which output holds the classes: as named, or the only one. */
function outputOf(model: Model, name: string | undefined): string {
  const names = model.record.graph.outputs.map((output) => output.name);
  const found = name === undefined ? (names.length === 1 ? names[0] : undefined) : names.find((one) => one === name);
  if (found !== undefined) return found;
  throw new TemperError(
    'USAGE',
    `${model.path}: ${name === undefined ? 'has several outputs' : `has no output ${name}`}: ${names.join(', ')}`,
    {
      hint: 'Name the class output with --output.',
    },
  );
}

interface Tuned {
  readonly state: TrainState;
  readonly history: readonly HistoryRow[];
  /** The epoch whose weights they are. */
  readonly epoch: number;
  readonly images: number;
  readonly ran: Ran;
}

interface Job {
  readonly model: Model;
  readonly cut: Cut;
  readonly args: Arguments;
  readonly tuning: Tuning;
  readonly sizes: Sizes;
  readonly sets: Opened;
  readonly stop: ChosenData | undefined;
  readonly batch: number;
  readonly signal: AbortSignal;
}

const runtimeOf = (args: Arguments) => ({ device: parseDevice(args.device), threads: args.threads });

/** One pass over the training images through everything before the cut. */
function passOver(
  job: Job,
  { dataset, rows }: ChosenData,
  transform: Transform,
  label: string,
  augment: Tuning['augment'],
) {
  const { args, tuning, batch, signal } = job;
  const count = augment ? tuning.views : 1;
  const bar = progress(label, rows.length * count, args.quiet);
  const options = {
    ...runtimeOf(args),
    input: args.input,
    onProgress: (images: number) => bar.update(images),
    batches: batchesOfViews({
      dataset,
      rows,
      transform,
      views: augment && { augment, count, seed: args.seed ?? 0 },
      batch,
      workers: workersOf(args),
      onBadImage: args['on-bad-image'],
      note: (text) => note(args, text),
      signal,
    }),
  };
  return { options, end: () => bar.end(), rows: rows.length * count };
}

async function measureLayer(job: Job, transform: Transform) {
  const { model, cut, sets, tuning } = job;
  const pass = passOver(
    job,
    sets.train,
    transform,
    `measuring ${cut.norm?.name} at ${sizeText(transform)}`,
    tuning.augment,
  );
  try {
    return await layerMoments(model, cut, pass.options);
  } finally {
    pass.end();
  }
}

async function featuresOf(job: Job, chosen: ChosenData, augment: Tuning['augment'], label: string) {
  const { model, cut, args, sizes } = job;
  const pass = passOver(job, chosen, sizes.test, label, augment);
  try {
    const cache = {
      names: cut.tail.inputs,
      memoryBytes: (args['cache-memory'] ?? 0) * 2 ** 20,
      folder: dirname(resolve(args.out ?? '')),
      expectedRows: pass.rows,
    };
    return await collectFeatures(model, cache, pass.options);
  } finally {
    pass.end();
  }
}

const checkpointPath = (out: string): string => `${out}.checkpoint.safetensors`;

/** Trains by gradients, going on from a checkpoint of the same run. */
async function train(job: Job, start: TrainState, run: string): Promise<Tuned> {
  const { cut, args, tuning, sets, stop, batch, signal } = job;
  const checkpoint = checkpointPath(args.out as string);
  const resumed = readCheckpoint(checkpoint, run, start, args.force);
  if (resumed) note(args, `going on after epoch ${resumed.state.epochs} from ${checkpoint}`);
  const features = await featuresOf(job, sets.train, tuning.augment, 'running everything before the cut');
  const validation = stop && (await featuresOf(job, stop, undefined, 'running --val'));
  try {
    const labels = features.labels ?? new Int32Array();
    const targets = labelTargets(labels, cut.tail.classes, tuning.labelSmoothing);
    const trainer = await openTrainer(cut, features.cache, tuning.augment ? tuning.views : 1, targets, start, {
      ...runtimeOf(args),
      ...tuning,
      batch,
      schedule: args.schedule,
      shuffle: args.shuffle ? { seed: args.seed ?? 0 } : undefined,
      temperature: 1,
    });
    const scorer = validation && (await openScorer(cut, validation, runtimeOf(args)));
    const bar = progress(`training ${cut.mode}`, tuning.epochs, args.quiet);
    try {
      const fitted = await fit(trainer, resumed ?? start, {
        epochs: tuning.epochs,
        run,
        checkpoint,
        patience: args.patience,
        validate: scorer && ((state) => scorer.metrics(state)),
        onEpoch: ({ epoch }) => bar.update(epoch),
        signal,
      });
      return { ...fitted, images: features.keys.length, ran: features.ran };
    } finally {
      bar.end();
      await Promise.all([trainer.close(), scorer?.close()]);
    }
  } finally {
    features.cache.close();
    validation?.cache.close();
  }
}

async function tune(job: Job, run: string): Promise<Tuned> {
  const { cut, sizes } = job;
  const state = initialState(cut);
  if (cut.norm?.kind === 'folded') setFoldedLayer(state, cut, (await measureLayer(job, sizes.train)).moments);
  if (cut.mode !== 'stats') return train(job, state, run);
  const { moments, ran } = await measureLayer(job, sizes.test);
  setStatistics(state, cut, moments);
  return { state, history: [], epoch: 0, images: ran.images, ran };
}

/** Everything that the tuned weights are made from, but the machine. */
async function settingsOf(job: Job): Promise<Record<string, unknown>> {
  const { model, cut, args, tuning, sizes, sets, stop, batch } = job;
  const { dataset, rows } = sets.train;
  const trained = cut.mode !== 'stats';
  return {
    tool: 'onnx-temper',
    version,
    command: 'fix-res',
    input: await modelHashes(model),
    mode: cut.mode,
    layer: cut.norm ? { name: cut.norm.name, batch_normalization: cut.norm.kind } : null,
    train_size: sizeText(sizes.train),
    test_size: sizeText(sizes.test),
    data: basename(dataset.source),
    data_table_sha256: dataset.tableHash(),
    rows_sha256: rowsHash(rows),
    transform: sizes.test,
    transform_sha256: transformHash(sizes.test),
    views: tuning.augment ? { augment: tuning.augment, count: tuning.views, seed: args.seed ?? 0 } : null,
    ...(trained
      ? {
          optimizer: {
            name: 'sgd',
            lr: tuning.lr,
            momentum: tuning.momentum,
            weight_decay: tuning.weightDecay,
            schedule: args.schedule,
            epochs: tuning.epochs,
            batch,
            shuffle: args.shuffle,
            seed: args.seed ?? 0,
            label_smoothing: tuning.labelSmoothing,
          },
          early_stopping: stop
            ? { patience: args.patience, data_table_sha256: stop.dataset.tableHash(), rows_sha256: rowsHash(stop.rows) }
            : null,
        }
      : {}),
  };
}

/** What can be refused before any work. @throws TemperError USAGE, OUTPUT_* */
function checkOptions(model: Model, args: Arguments): void {
  const { out, mode } = args;
  if (out === undefined) throw new TemperError('USAGE', 'no output is named', { hint: 'Give --out FILE.' });
  if (mode === 'stats' && args.patience !== undefined) {
    throw new TemperError('USAGE', '--patience has no use with --mode stats: nothing is trained', {
      hint: 'Leave it out.',
    });
  }
  assertOutput(model, out, args.force);
  const named = ['train', 'train-labels', 'val', 'val-labels', 'shifted', 'shifted-labels', 'classes'];
  const inputs = [args.model, ...named.flatMap((name) => (args[name] === undefined ? [] : [String(args[name])]))];
  checkOutputs(
    [out, args.history].filter((path) => path !== undefined),
    inputs,
    args.force,
  );
}

async function fixRes(args: Arguments): Promise<void> {
  const signal = interruptSignal();
  const model = openModel(args.model);
  let sets: Awaited<ReturnType<typeof openSets>> | undefined;
  try {
    checkOptions(model, args);
    const batch = batchOf(args, [undefined]);
    const tuning = tuningOf(args, batch);
    const sizes = sizesOf(model, args);
    const cut = cutModel(model, args.mode, outputOf(model, args.output));
    sets = await openSets(args);
    checkLabels(sets, cut);
    const { dataset } = sets.val;
    // An epoch that is chosen on some images must be judged on others.
    const halves = args.patience === undefined ? undefined : splitRows(dataset, sets.val.rows, args.seed ?? 0);
    const stop = halves && { dataset, rows: halves.selection };
    const guard = halves ? { dataset, rows: halves.report } : sets.val;
    const job: Job = { model, cut, args, tuning, sizes, sets, stop, batch, signal };
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
    model.close();
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
  const { classifier, norm } = cut;
  const tail = `${norm ? `${norm.name}${norm.kind === 'folded' ? ' (folded)' : ''}, ` : ''}${cut.mode === 'stats' ? '' : classifier.weight.name}`;
  const losses =
    history.length > 0
      ? `loss ${history[0]?.train_loss.toFixed(4)} to ${history.at(-1)?.train_loss.toFixed(4)} in ${history.length} epochs`
      : 'no training';
  print(
    args,
    {
      output: written ?? null,
      history: args.history ?? null,
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
    `${comparisonText(comparisons)}\n${cut.mode} of ${tail.replace(/, $/, '')}: ${losses}, ${images} images and views\n` +
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
        .options(ALL)
        .example(
          '$0 r50.onnx --train train/ --val val/ --train-size 224 --size 320 --out r50-320.onnx',
          'as the reference: classifier trained, last BatchNormalization re-estimated',
        )
        .example(
          '$0 r50.onnx --train train/ --val val/ --size 288 --mode fc --transform v1 --epochs 10 --out r50-288.onnx',
          'the classifier alone: minutes, one vector an image in memory',
        )
        .epilogue('Exit code 1: nothing was written, as it is no better on --val at test size (exact paired test).'),
    async (args) => fixRes(args as unknown as Arguments),
  );
}

await mainIfProgram(import.meta.url, 'fix-res', addFixRes);
