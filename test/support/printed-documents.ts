/** What every command prints and writes, from small runs on the fixtures: JSON documents and tables by the names that docs/columns.md has for them. */
import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { FASHION, SNAPSHOTS } from './fashion.ts';
import { withExternalData } from './model-variants.ts';
import {
  AVG_CKPT,
  BN_RECAL,
  type CliResult,
  EVAL_CKPT,
  FIX_RES,
  ONNX_TEMPER,
  RES_SWEEP,
  runProgram,
  TEACHER_LOGITS,
} from './run-cli.ts';
import { ON_CPU } from './run-eval.ts';
import { WORST_LAST } from './run-finish.ts';

/** A JSON document, or a row of a table. */
export interface Printed {
  /** The heading of docs/columns.md. */
  readonly name: string;
  readonly value: unknown;
}

const TRANSFORM = ['--preset', 'none', '--mean', '0.286', '--std', '0.353'];
const SIZED = [...TRANSFORM, '--size', '20'];
const idx = (name: string): string => join(FASHION, `${name}-idx3-ubyte.gz`);
const labels = (name: string): string => join(FASHION, `${name}-idx1-ubyte.gz`);
/** A data set by its option, with labels and rows. */
const images = (option: string, of: 'test' | 'train', rows: string): string[] => {
  const prefix = option === 'data' ? '--' : `--${option}-`;
  const [pictures, names] = of === 'test' ? ['test-images', 'test-labels'] : ['train-2k-images', 'train-2k-labels'];
  return [`--${option}`, idx(pictures), `${prefix}labels`, labels(names), `${prefix}rows`, rows];
};
const TEST = images('data', 'test', '0:60');
const TRAIN = images('data', 'train', '0:60');
const VAL = images('val', 'test', '0:60');

/** Pictures of which the last cannot be read, to be left out. */
function badPictures(folder: string): string[] {
  const pictures = join(folder, 'pictures');
  mkdirSync(pictures, { recursive: true });
  const names = ['png-1bit.png', 'jpeg-420.jpg', 'png-1bit.png', 'jpeg-420.jpg', 'bad-text.png'];
  for (const [i, name] of names.entries()) {
    copyFileSync(join(FASHION, '..', 'images', name), join(pictures, `${i}-${name}`));
  }
  const rows = names.map((name, i) => `${i}-${name},${i % 2}\n`);
  writeFileSync(join(pictures, 'list.csv'), `path,label\n${rows.join('')}`);
  return ['--data', 'pictures/list.csv', '--on-bad-image', 'skip'];
}

const [OLD, OLDER, NEWEST] = [SNAPSHOTS[0], SNAPSHOTS[1], SNAPSHOTS.at(-1)] as [string, string, string];

/** Runs a program in the folder; its document is printed under the name. */
interface Session {
  readonly folder: string;
  readonly printed: Printed[];
  readonly run: (name: string, program: string, args: readonly string[], status?: number) => CliResult;
  readonly table: (name: string, file: string) => void;
}

function session(folder: string): Session {
  const printed: Printed[] = [];
  return {
    folder,
    printed,
    run(name, program, args, status = 0) {
      const result = runProgram(program, [...args, '--json', '--quiet'], folder);
      assert.equal(result.status, status, `${args.join(' ')}: ${result.stderr}`);
      printed.push({ name, value: JSON.parse(result.stdout) });
      return result;
    },
    table(name, file) {
      const rows = parse(readFileSync(join(folder, file)), { columns: true }) as unknown[];
      assert.ok(rows.length > 0, `${file} has no rows`);
      printed.push(...rows.map((value) => ({ name, value })));
    },
  };
}

function averages({ folder, run }: Session): void {
  mkdirSync(join(folder, 'large'));
  const large = withExternalData(join(folder, 'large'));
  run('avg-ckpt', AVG_CKPT, [OLD, OLDER, '--out', 'swa.onnx']);
  run('avg-ckpt', AVG_CKPT, [OLD, large, '--order', 'list', '--out', 'large.onnx']);
  run('avg-ckpt --dry-run', AVG_CKPT, [OLD, OLDER, '--dry-run']);
  run('avg-ckpt verify', AVG_CKPT, ['verify', 'swa.onnx', '--inputs', join(FASHION, 'checkpoints')]);
  run('avg-ckpt diagnose', AVG_CKPT, ['diagnose', OLD, OLDER, NEWEST]);
  run('errors', AVG_CKPT, ['nothing.onnx', '--out', 'x.onnx'], 3);
}

function searches({ run, table }: Session): void {
  const common = [OLD, OLDER, NEWEST, ...VAL, ...SIZED, ...ON_CPU];
  const few = ['--include', 'last,greedy,pruned', '--last', '2'];
  run('avg-ckpt search', AVG_CKPT, [
    'search',
    ...common,
    ...few,
    '--allow-worse',
    '--out',
    'best.onnx',
    '--csv',
    'best.csv',
  ]);
  table('avg-ckpt search --csv', 'best.csv');
  run('avg-ckpt search --shard', AVG_CKPT, ['search', ...common, ...few, '--cache', 'results', '--shard', '0/9']);
  const swag = ['--train', idx('train-2k-images'), '--train-rows', '0:60', '--samples', '2', '--out-dir', 'samples'];
  run('avg-ckpt swag', AVG_CKPT, ['swag', ...common, ...swag]);
}

function evaluations({ folder, run, table }: Session): void {
  const common = [...SIZED, ...ON_CPU];
  run(
    'eval-ckpt',
    EVAL_CKPT,
    [OLD, NEWEST, ...TEST, ...common, '--csv', 'scores.csv', '--per-image', 'p.csv', '--gate', 'top1>=0.99'],
    1,
  );
  table('eval-ckpt --csv', 'scores.csv');
  table('eval-ckpt --per-image', 'p.csv');
  const tables = ['--per-class', 'per-class.csv', '--confusion', 'confusion.csv', '--flips', 'flips.csv'];
  const keys = Array.from({ length: 60 }, (_, i) => `${String(i).padStart(9, '0')},${i % 2}\n`);
  writeFileSync(join(folder, 'slices.csv'), `key,half\n${keys.join('')}`);
  writeFileSync(join(folder, 'real.json'), JSON.stringify(keys.map((_, i) => [i % 10])));
  run('eval-ckpt', EVAL_CKPT, ['--from', 'p.csv', ...tables, '--slices', 'slices.csv', '--real-labels', 'real.json']);
  table('eval-ckpt --flips', 'flips.csv');
  table('eval-ckpt --per-class', 'per-class.csv');
  table('eval-ckpt --confusion', 'confusion.csv');
  run('eval-ckpt', EVAL_CKPT, [OLD, ...TEST, ...common, '--batch', '16', '--shard', '0/2', '--per-image', 'p-0.csv']);
  table('eval-ckpt --per-image', 'p-0.csv');
  run('eval-ckpt', EVAL_CKPT, [OLD, NEWEST, ...TEST, ...common, '--ensemble', '--tta', 'flip']);
  run('eval-ckpt', EVAL_CKPT, [OLD, NEWEST, ...TEST, ...common, '--ensemble', '--logits', '--per-image', 'logits.csv']);
  table('eval-ckpt --per-image', 'logits.csv');
  writeFileSync(join(folder, 'all.txt'), '0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n');
  run('eval-ckpt', EVAL_CKPT, [OLD, ...TEST, ...common, '--limit', '40', '--valid-classes', 'all.txt']);
  const sets = ['--set', `again=${TEST[1]}`, '--set-labels', `again=${TEST[3]}`, '--set-csv', 'sets.csv'];
  run('eval-ckpt', EVAL_CKPT, [OLD, ...TEST, ...common, ...sets, '--real-labels', 'real.json']);
  table('eval-ckpt --set-csv', 'sets.csv');
  run('eval-ckpt', EVAL_CKPT, ['--from', 'p.csv', '--set', 'again=p.csv', '--set-csv', 'sets-from.csv']);
  table('eval-ckpt --set-csv', 'sets-from.csv');
  run('eval-ckpt', EVAL_CKPT, [OLD, ...badPictures(folder), ...common, '--quarantine', 'bad.csv']);
  table('eval-ckpt --quarantine', 'bad.csv');
  run('eval-ckpt --find-transform', EVAL_CKPT, [OLD, ...TEST, ...common, '--find-transform', '--csv', 'found.csv']);
  table('eval-ckpt --find-transform --csv', 'found.csv');
}

function recalibrations({ run, table }: Session): void {
  const common = [OLD, ...TRAIN, ...SIZED, ...ON_CPU];
  run('bn-recal', BN_RECAL, [...common, ...VAL, '--allow-worse', '--out', 'bn.onnx', '--csv', 'layers.csv']);
  table('bn-recal --csv', 'layers.csv');
  for (const name of ['bn-recal', '--skip-existing']) {
    run(name, BN_RECAL, [...common, '--out', 'skipped.onnx', '--skip-existing']);
  }
  run('bn-recal', BN_RECAL, [...common, '--moments-out', 'moments.safetensors']);
  run('bn-recal', BN_RECAL, ['merge', 'moments.safetensors', '--model', OLD, '--out', 'merged.onnx', ...ON_CPU]);
}

function targets({ folder, run, table }: Session): void {
  const common = [...TRAIN, ...SIZED, ...ON_CPU];
  const make = [OLD, NEWEST, ...common, '--temperatures', '1,2'];
  run('teacher-logits', TEACHER_LOGITS, [...make, '--out', 'targets', '--dry-run']);
  run('teacher-logits', TEACHER_LOGITS, [...make, '--out', 'targets']);
  run('teacher-logits', TEACHER_LOGITS, [...make, '--top-k', '3', '--out', 'top3']);
  run('teacher-logits', TEACHER_LOGITS, [...make, '--out', 'workers', '--rows-per-shard', '30', '--shard', '0/2']);
  run('errors', TEACHER_LOGITS, ['merge', 'workers'], 3);
  run('teacher-logits', TEACHER_LOGITS, [...make, '--out', 'workers', '--rows-per-shard', '30', '--shard', '1/2']);
  run('teacher-logits', TEACHER_LOGITS, ['merge', 'workers']);
  const again = ['--teachers', `${OLD},${NEWEST}`, '--data', idx('train-2k-images'), '--samples', '8'];
  run('teacher-logits verify', TEACHER_LOGITS, [
    'verify',
    'targets',
    ...again,
    '--device',
    'cpu',
    '--threads',
    '1',
    '--workers',
    '1',
  ]);
  const score = ['--student', OLDER, ...common, '--worst', '2'];
  const files = ['--csv', 'score.csv', '--per-class', 'classes.csv', '--per-row', 'rows.csv'];
  for (const store of ['targets', 'top3']) {
    run('teacher-logits score', TEACHER_LOGITS, ['score', store, ...score, ...files, '--force']);
    table('teacher-logits score --csv', 'score.csv');
    table('teacher-logits score --per-class', 'classes.csv');
    table('teacher-logits score --per-row', 'rows.csv');
  }
  run('teacher-logits export', TEACHER_LOGITS, ['export', 'targets', '--to', 'npy', '--out', 'arrays']);
  run('teacher-logits', TEACHER_LOGITS, [OLD, ...badPictures(folder), ...SIZED, ...ON_CPU, '--out', 'four']);
  appendFileSync(join(folder, 'top3', 'samples.csv'), '\n');
  run('teacher-logits verify', TEACHER_LOGITS, ['verify', 'top3'], 1);
}

function sweeps({ folder, run, table }: Session): void {
  const common = [...TRANSFORM, ...ON_CPU, '--train-size', '20', '--sizes', '16,20'];
  const grid = ['--crop-ratios', '1', '--scale', '0.5,1'];
  run('res-sweep', RES_SWEEP, [OLD, ...TEST, ...common, ...grid, '--limit', '40', '--csv', 'sweep.csv']);
  run('res-sweep', RES_SWEEP, [OLD, ...badPictures(folder), ...common]);
  run('res-sweep --shard', RES_SWEEP, [OLD, ...TEST, ...common, '--parts', 'parts', '--shard', '0/9']);
  table('res-sweep --csv', 'sweep.csv');
}

function tunings({ run, table }: Session): void {
  const data = [...images('train', 'train', '0:60'), ...VAL];
  const common = [
    OLD,
    ...data,
    ...TRANSFORM,
    ...ON_CPU,
    '--train-size',
    '20',
    '--size',
    '28',
    '--train-transform',
    'v1',
  ];
  const tune = ['--epochs', '2', '--patience', '2', '--allow-worse', '--out', 'tuned.onnx', '--csv', 'epochs.csv'];
  run('fix-res', FIX_RES, [...common, ...tune]);
  run('fix-res --shard', FIX_RES, [...common, '--features', 'features', '--shard', '0/2']);
  table('fix-res --csv', 'epochs.csv');
}

function inspections({ folder, run }: Session): void {
  const data = [...TEST, ...SIZED];
  run('inspect', ONNX_TEMPER, ['inspect', OLD, 'moments.safetensors', 'targets', 'scores.csv', ...data]);
  writeFileSync(join(folder, 'few.txt'), '0\n1\n');
  run(
    'inspect',
    ONNX_TEMPER,
    ['inspect', OLD, 'absent.onnx', ...data, '--size', '20', '--color', 'rgb', '--mean', '0.5'],
    3,
  );
}

function calibrations({ run, table }: Session): void {
  const common = ['calibrate', OLD, ...VAL, ...SIZED, ...ON_CPU, '--allow-worse'];
  run('calibrate', ONNX_TEMPER, [...common, '--out', 'calibrated.onnx', '--csv', 'stages.csv']);
  table('calibrate --csv', 'stages.csv');
}

function finished({ run }: Session): void {
  const words = ['finish', ...WORST_LAST, ...images('val', 'test', '0:800'), ...SIZED, ...ON_CPU, '--no-sizes'];
  run('finish', ONNX_TEMPER, [...words, '--out-dir', 'finished']);
  run('finish --dry-run', ONNX_TEMPER, [...words, '--out-dir', 'planned', '--dry-run']);
}

/** Runs every command, small, in the folder. */
export function printedDocuments(folder: string): readonly Printed[] {
  const of = session(folder);
  const parts = [
    averages,
    searches,
    evaluations,
    recalibrations,
    targets,
    sweeps,
    tunings,
    calibrations,
    finished,
    inspections,
  ];
  for (const part of parts) part(of);
  return of.printed;
}
