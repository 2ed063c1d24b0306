/**
 * Every command that runs a network, over the real snapshots and images of fixtures/fashion, with what is compared
 * between two devices and how far apart it may be. docs/cuda.md gives the reasons for the tolerances.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import type { Measured, Tolerances } from '../support/compare-devices.ts';
import { CHECKPOINTS, SNAPSHOTS } from '../support/fashion.ts';
import { floatsOf } from '../support/model-builder.ts';
import {
  AVG_CKPT,
  BN_RECAL,
  EVAL_CKPT,
  FIX_RES,
  ONNX_TEMPER,
  RES_SWEEP,
  runProgram,
  TEACHER_LOGITS,
} from '../support/run-cli.ts';
import { DATA, TRANSFORM } from '../support/run-eval.ts';
import { TRAIN, VAL } from '../support/run-finish.ts';

export interface ComparedCommand {
  readonly name: string;
  readonly tolerances: Tolerances;
  /** Words that change the numbers by more than any device may. Default: another resize filter. */
  readonly forged?: readonly string[];
  /** @param device the words that choose it; @param folder empty, for what the command writes */
  readonly measure: (device: readonly string[], folder: string) => Measured;
}

const newest = SNAPSHOTS.at(-1) as string;
const SIZED = [...TRANSFORM, '--size', '20'] as const;
/** float32 sums in another order, over networks of some twenty layers. */
const LOGITS = { by: 'scale', most: 1e-3 } as const;
const ANSWERS = { by: 'share', most: 0.002 } as const;
const MEAN_LOSS = { by: 'absolute', most: 5e-4 } as const;
const ACCURACY = { by: 'absolute', most: 0.002 } as const;
const STATISTICS = { by: 'scale', most: 1e-3 } as const;
/** Small differences of gradients add up over the steps. */
const TUNED = { by: 'scale', most: 5e-3 } as const;

function run(program: string, args: readonly string[]): string {
  const { status, stdout, stderr } = runProgram(program, [...args, '--quiet']);
  assert.ok(status === 0 || status === 1, `${args.join(' ')}\n${stderr}${stdout}`);
  return stdout;
}

type Row = Readonly<Record<string, string>>;
const rowsOf = (path: string): Row[] => parse<Row>(readFileSync(path, 'utf8'), { columns: true });
const column = (rows: readonly Row[], name: string): number[] => rows.map((row) => Number(row[name]));

const weightsOf = (model: string, names: readonly string[]): number[] =>
  names.flatMap((name) => [...floatsOf(model, name)]);

/** The values of a version 1 .npy of float32. */
function floatsOfNpy(path: string): number[] {
  const bytes = readFileSync(path);
  const start = 10 + bytes.readUInt16LE(8);
  return Array.from({ length: (bytes.length - start) / 4 }, (_, i) => bytes.readFloatLE(start + 4 * i));
}

const BATCH_NORMS = ['bn1', 'layer1.bn1', 'layer2.bn1', 'layer2.down.1', 'layer3.bn2'];

export const COMPARED: readonly ComparedCommand[] = [
  {
    name: 'eval-ckpt',
    tolerances: { logits: LOGITS, answers: ANSWERS, nll: MEAN_LOSS, top1: ACCURACY },
    measure(device, folder) {
      const file = join(folder, 'images.csv');
      run(EVAL_CKPT, [newest, ...DATA, ...SIZED, '--rows', '0:1000', '--logits', '--per-image', file, ...device]);
      const rows = rowsOf(file);
      const nll = column(rows, 'nll');
      const right = rows.filter(({ label, class1 }) => label === class1).length;
      return {
        logits: rows.flatMap((row) => Array.from({ length: 10 }, (_, i) => Number(row[`logit_${i}`]))),
        answers: column(rows, 'class1'),
        nll: [nll.reduce((sum, value) => sum + value, 0) / nll.length],
        top1: [right / rows.length],
      };
    },
  },
  {
    name: 'bn-recal',
    tolerances: { means: STATISTICS, variances: STATISTICS },
    measure(device, folder) {
      const out = join(folder, 'out.onnx');
      const data = ['--data', TRAIN[1], '--rows', '0:1000', '--batch', '250'];
      run(BN_RECAL, [newest, ...data, ...SIZED, '--out', out, ...device]);
      const of = (suffix: string) =>
        weightsOf(
          out,
          BATCH_NORMS.map((name) => `${name}.${suffix}`),
        );
      return { means: of('running_mean'), variances: of('running_var') };
    },
  },
  {
    name: 'teacher-logits',
    tolerances: { targets: LOGITS },
    measure(device, folder) {
      const [store, arrays] = [join(folder, 'store'), join(folder, 'arrays')];
      const data = [...DATA, '--rows', '0:600', '--store-dtype', 'float32'];
      run(TEACHER_LOGITS, [newest, ...data, ...SIZED, '--out', store, ...device]);
      run(TEACHER_LOGITS, ['export', store, '--to', 'npy', '--out', arrays]);
      return { targets: floatsOfNpy(join(arrays, 'teachers', '0', 'logits.npy')) };
    },
  },
  {
    name: 'teacher-logits score',
    tolerances: { divergences: { by: 'scale', most: 2e-3 } },
    forged: [...SIZED, '--interpolation', 'nearest'],
    measure(device, folder) {
      const store = join(folder, 'store');
      const data = [...DATA, '--rows', '0:600'];
      run(TEACHER_LOGITS, [newest, ...data, ...SIZED, '--out', store, '--device', 'cpu']);
      const words = ['score', store, '--student', SNAPSHOTS[0] as string, ...data, '--json', ...device];
      const said = run(TEACHER_LOGITS, words);
      return { divergences: [...said.matchAll(/"kl": ([\d.e+-]+)/g)].map(([, kl]) => Number(kl)) };
    },
  },
  {
    name: 'res-sweep',
    tolerances: { sizes: { by: 'absolute', most: 0 }, nll: MEAN_LOSS, top1: ACCURACY },
    measure(device, folder) {
      const file = join(folder, 'sweep.csv');
      const sizes = ['--train-size', '20', '--sizes', '16,24,28', '--rows', '0:600'];
      run(RES_SWEEP, [newest, ...DATA, ...TRANSFORM, ...sizes, '--out', file, ...device]);
      const rows = rowsOf(file);
      return { sizes: column(rows, 'test_size'), nll: column(rows, 'nll'), top1: column(rows, 'top1') };
    },
  },
  {
    name: 'fix-res',
    tolerances: { losses: MEAN_LOSS, weights: TUNED, statistics: STATISTICS },
    forged: ['--lr', '0.02'],
    measure(device, folder) {
      const [out, history] = [join(folder, 'out.onnx'), join(folder, 'history.csv')];
      const few = ['--train-limit', '500', '--val-limit', '300', '--batch', '100', '--epochs', '2', '--mode', 'paper'];
      const sizes = [...TRANSFORM, '--train-size', '20', '--size', '28'];
      const files = ['--out', out, '--history', history, '--allow-worse'];
      run(FIX_RES, [newest, ...TRAIN, ...VAL, ...sizes, ...few, ...files, ...device]);
      return {
        losses: column(rowsOf(history), 'train_loss'),
        weights: weightsOf(out, ['fc.weight', 'fc.bias']),
        statistics: weightsOf(out, ['layer3.bn2.running_mean', 'layer3.bn2.running_var']),
      };
    },
  },
  {
    name: 'avg-ckpt search',
    tolerances: { nll: MEAN_LOSS, top1: { by: 'absolute', most: 0.004 } },
    measure(device, folder) {
      const csv = join(folder, 'candidates.csv');
      const few = ['--val-rows', '0:600', '--include', 'last', '--last', '2,3', '--bn', 'recalibrate'];
      const train = ['--train', TRAIN[1], '--train-limit', '300'];
      const files = ['--out', join(folder, 'out.onnx'), '--csv', csv, '--allow-worse'];
      run(AVG_CKPT, ['search', ...SNAPSHOTS.slice(-3), ...VAL, ...few, ...train, ...SIZED, ...files, ...device]);
      const rows = rowsOf(csv);
      return { names: rows.map((row) => String(row.candidate)), nll: column(rows, 'nll'), top1: column(rows, 'top1') };
    },
  },
  {
    name: 'calibrate',
    tolerances: { temperature: { by: 'scale', most: 2e-3 }, nll: MEAN_LOSS },
    measure(device, folder) {
      const words = ['calibrate', newest, ...VAL, '--val-rows', '0:600', ...SIZED, '--out', join(folder, 'out.onnx')];
      const found = JSON.parse(run(ONNX_TEMPER, [...words, '--allow-worse', '--json', ...device])) as {
        readonly temperature: number;
        readonly stages: readonly { readonly nll: number }[];
      };
      return { temperature: [found.temperature], nll: found.stages.map(({ nll }) => nll) };
    },
  },
  {
    name: 'finish',
    tolerances: { nll: MEAN_LOSS, top1: { by: 'absolute', most: 0.005 } },
    measure(device, folder) {
      const out = join(folder, 'finished');
      const models = ['21', '25', '22'].map((epoch) => join(CHECKPOINTS, `epoch_${epoch}.onnx`));
      const few = [...VAL, '--val-rows', '0:1600', ...TRAIN, '--train-rows', '0:100', '--sizes', '1x,1.4x'];
      run(ONNX_TEMPER, [
        'finish',
        ...models,
        '--order',
        'list',
        ...few,
        ...SIZED,
        '--include',
        'last',
        '--out-dir',
        out,
        ...device,
      ]);
      const { steps, models: stages } = JSON.parse(readFileSync(join(out, 'results.json'), 'utf8')) as {
        readonly steps: readonly { readonly step: string; readonly taken: boolean }[];
        readonly models: readonly { readonly top1: number; readonly nll: number }[];
      };
      return {
        taken: steps.map(({ step, taken }) => `${step} ${taken}`),
        nll: stages.map(({ nll }) => nll),
        top1: stages.map(({ top1 }) => top1),
      };
    },
  },
];
