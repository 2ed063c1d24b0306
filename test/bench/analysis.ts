/**
 * `eval-ckpt --from` with everything: per class, confusion, slices, flips, gates, report, of two models on 50,000 images of 1,000 classes.
 * Limits: 10 s of processor time, 500 MB. Then the ensemble of two such models from all that they gave (100 million values): 20 s, 500 MB; as CSV,
 * which is parsed number by number, of a tenth of the images. Usage: node dist/test/bench/analysis.js [images] [classes]
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writePerImage } from '../../cli/eval-ckpt/per-image-file.ts';
import { random } from '../../src/core/index.ts';
import { type PerImage, type Predictions, selectPredictions } from '../../src/evaluate/index.ts';

const [images = 50_000, classes = 1000] = process.argv.slice(2).map(Number);

type KeptScores = NonNullable<PerImage['scores']>;

/** A network that is right in 3 of 4 images and else mostly takes the class beside it. */
function madeUp(name: string): Predictions {
  const stream = random(7, name, images);
  const keys = Array.from({ length: images }, (_, i) => `val/ILSVRC2012_val_${String(i + 1).padStart(8, '0')}.JPEG`);
  const labels = Int32Array.from(keys, (_, i) => i % classes);
  const top5 = new Int32Array(5 * images);
  const [nll, confidence, sumP2] = [0, 1, 2].map(() => new Float64Array(images)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  for (let i = 0; i < images; i++) {
    const label = labels[i] as number;
    const isRight = stream.below(4) > 0;
    const said = isRight ? label : stream.below(2) === 0 ? (label + 1) % classes : stream.below(classes);
    for (let k = 0; k < 5; k++) top5[5 * i + k] = (said + k) % classes;
    confidence[i] = 0.2 + 0.8 * (stream.below(10_000) / 10_000);
    nll[i] = isRight ? -Math.log(confidence[i] as number) : 2 + stream.below(1000) / 1000;
    sumP2[i] = (confidence[i] as number) ** 2;
  }
  return { keys, labels, top5, nll, confidence, sumP2 };
}

/** All that a network gave: noise, and the label above it. */
function madeUpScores(name: string, count: number): KeptScores {
  return {
    outputs: 'logits',
    type: 'float32',
    classes,
    *rows() {
      const stream = random(7, name, 'scores');
      for (let i = 0; i < count; i++) {
        const row = Float32Array.from({ length: classes }, () => 6 * stream.float() - 3);
        row[i % classes] = (row[i % classes] as number) + 5;
        yield row;
      }
    },
  };
}

/** Runs eval-ckpt, and says what it took. */
function measured(
  what: string,
  args: readonly string[],
  limits: { readonly seconds: number; readonly megabytes: number },
): void {
  const hook = new URL('./process-cost.js', import.meta.url).href;
  const command = ['--import', hook, new URL('../../cli/eval-ckpt.js', import.meta.url).pathname, ...args];
  const run = spawnSync(process.execPath, command, {
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
    encoding: 'utf8',
  });
  if (run.status !== 0) throw new Error(`eval-ckpt: status ${run.status}`);
  const [seconds = 0, megabytes = 0] = String(run.output[3]).trim().split(' ').map(Number);
  console.log(`${images} images, ${classes} classes, two models: ${what}`);
  console.log(`processor time ${seconds.toFixed(2)} s (limit ${limits.seconds})`);
  console.log(`peak memory ${megabytes.toFixed(0)} MB (limit ${limits.megabytes})`);
  if (seconds > limits.seconds || megabytes > limits.megabytes) process.exitCode = 1;
}

const folder = mkdtempSync(join(tmpdir(), 'onnx-temper-analysis-'));
const at = (name: string): string => join(folder, name);
try {
  const [before, after] = [madeUp('before'), madeUp('after')];
  await writePerImage(at('before.parquet'), [{ model: 'before.onnx', predictions: before }], true);
  await writePerImage(at('after.parquet'), [{ model: 'after.onnx', predictions: after }], true);
  const lines = before.keys.map((key, i) => `${key},camera-${i % 7},${i % 150}`);
  writeFileSync(at('slices.csv'), `key,camera,place\n${lines.join('\n')}\n`);
  measured(
    'everything from Parquet',
    [
      ...['--from', at('after.parquet'), '--baseline', at('before.parquet'), '--slices', at('slices.csv')],
      ...['--per-class', at('classes.csv'), '--confusion', at('confusion.csv'), '--flips', at('flips.csv')],
      ...['--gate', 'top1_diff_lo>=-1,ece_diff<=1,recall_min>=0', '--report', at('report.html'), '--csv', at('t.csv')],
    ],
    { seconds: 10, megabytes: 500 },
  );
  console.log(`report ${(statSync(at('report.html')).size / 1e6).toFixed(2)} MB`);
  for (const [name, count] of [
    ['logits.parquet', images],
    ['logits.csv', Math.ceil(images / 10)],
  ] as const) {
    const models = ['before', 'after'].map((model) => {
      const all = model === 'before' ? before : after;
      const rows = Array.from({ length: count }, (_, i) => i);
      return { model: `${model}.onnx`, predictions: selectPredictions(all, rows), scores: madeUpScores(model, count) };
    });
    await writePerImage(at(name), models, true);
    measured(`the ensemble of ${count} images from ${name}`, ['--from', at(name), '--ensemble'], {
      seconds: 20,
      megabytes: 500,
    });
    rmSync(at(name));
  }
} finally {
  rmSync(folder, { recursive: true });
}
