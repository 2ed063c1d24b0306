import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import '../support/seeded.ts';
import { candidatesOf } from '../../src/snapshots/index.ts';

/** What a tool knows of a snapshot when it writes its name. */
interface Moment {
  readonly epoch: number;
  readonly step: number;
  readonly loss: number;
  readonly accuracy: number;
}

type Pattern = readonly [tool: string, name: (at: Moment) => string, step: (at: Moment) => number];

const two = (value: number): string => String(value).padStart(2, '0');
const epoch = ({ epoch: value }: Moment): number => value;
const step = ({ step: value }: Moment): number => value;

const PATTERNS: readonly Pattern[] = [
  ['timm', (at) => `checkpoint-${at.epoch}`, epoch],
  ['timm recovery', (at) => `recovery-${at.epoch}-${at.step}`, epoch],
  ['Lightning', (at) => `epoch=${at.epoch}-step=${at.step}`, step],
  ['Lightning with a metric', (at) => `epoch=${two(at.epoch)}-val_loss=${at.loss.toFixed(2)}`, epoch],
  ['Lightning with an accuracy', (at) => `net-epoch=${at.epoch}-val_acc=${at.accuracy.toFixed(4)}`, epoch],
  ['Lightning without metric names', (at) => `${two(at.epoch)}-${at.loss.toFixed(2)}`, epoch],
  ['Lightning by steps', (at) => `global_step=${at.step}-val_top1=${at.accuracy.toFixed(3)}`, step],
  ['Keras', (at) => `weights.${two(at.epoch)}-${at.loss.toFixed(2)}`, epoch],
  ['Keras, three digits', (at) => `model.${at.epoch}-${at.loss.toFixed(3)}`, epoch],
  ['Keras with dots', (at) => `model.${two(at.epoch)}.${at.accuracy.toFixed(4)}.keras`, epoch],
  ['Ultralytics', (at) => `epoch${at.epoch}`, epoch],
  ['Hugging Face', (at) => `checkpoint-${at.step}/model`, step],
  ['Hugging Face, optimum', (at) => `checkpoint-${at.step}/onnx/model_fp16`, step],
  ['PaddleClas', (at) => `epoch_${at.epoch}`, epoch],
  ['PaddleClas, exported', (at) => `epoch_${at.epoch}/inference`, epoch],
  ['mmengine by epochs', (at) => `epoch_${at.epoch}`, epoch],
  ['mmengine by iterations', (at) => `iter_${at.step}`, step],
  ['mmengine, best', (at) => `best_accuracy_top1_epoch_${at.epoch}`, epoch],
  ['torch examples', (at) => `model_iteration-${at.step}_acc${at.accuracy.toFixed(3)}`, step],
  ['short', (at) => `net_ep${at.epoch}_top5_${at.accuracy.toFixed(1)}`, epoch],
];

/** Of Hugging Face the suffix is the file's. */
const SUFFIXES = ['', '-v1', '-v2', '_fp16', '_opset17', '_op13', '-quant', '_int8', '_dynamic', '.pth', '_bf16'];

/** Moments of one run, at growing epochs and steps. */
const moments = fc
  .array(
    fc.record({
      epoch: fc.integer({ min: 1, max: 40 }),
      step: fc.integer({ min: 1, max: 5000 }),
      loss: fc.double({ min: 0.001, max: 9, noNaN: true }),
      accuracy: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((all) => {
    let [epochs, steps] = [-1, -1];
    return all.map((at): Moment => {
      epochs += at.epoch;
      steps += at.step;
      return { ...at, epoch: epochs, step: steps };
    });
  });

for (const [tool, name, meaning] of PATTERNS) {
  test(`${tool}: the step is what the pattern means, whatever the metrics and the suffix`, () => {
    fc.assert(
      fc.property(
        moments,
        fc.constantFrom(...SUFFIXES),
        fc.constantFrom('', 'run3/', '/data/exp_7/'),
        (run, suffix, folder) => {
          const files = run.map((at) => ({ file: `${folder}${name(at)}${suffix}.onnx`, mtimeMs: 0 }));
          assert.deepEqual(
            candidatesOf(files).map((one) => one.step),
            run.map(meaning),
            files.map(({ file }) => file).join(),
          );
        },
      ),
    );
  });
}
