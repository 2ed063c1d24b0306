/**
 * Folded networks of torchvision's families, with seeded weights, against the same networks with BatchNormalization kept: two small
 * families always, all of them with ONNX_TEMPER_FAMILIES=all.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type BatchNormLayer, chooseLayers, findLayers } from '../../../../src/batchnorm/index.ts';
import { decodeFloats, type Model, openModel, readPayload } from '../../../../src/onnx/index.ts';
import { imagesOf, recalibrateFile } from '../../../support/batchnorm.ts';
import { foldBatchNorms } from '../../../support/fold-batchnorm.ts';
import { recalibrateFolded } from '../../../support/recalibrate-folded.ts';
import { seededFile, TORCHVISION_GRAPHS } from '../../../support/seeded-model.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const root = tempFolder();
const at = (name: string): string => join(root, `${name}.onnx`);
const FAMILIES = TORCHVISION_GRAPHS.filter((name) => !name.includes('-'));
const SMALL: ReadonlySet<string> = new Set(['mobilenet_v3_small', 'mnasnet0_5']);
/** Inception's stem takes no smaller ones. */
const SIZES: Readonly<Record<string, readonly [reference: number, target: number]>> = { inception_v3: [107, 75] };
const IMAGES = 16;

interface Moments {
  readonly mean: Float64Array;
  readonly deviation: Float64Array;
}

/** What a layer gives on the images whose statistics it has: β, and |γ| but for epsilon. */
function outputOf(model: Model, { name, scale, bias, variance, epsilon }: BatchNormLayer): Moments {
  const [gamma, beta, spread] = [scale, bias, variance].map((parameter) =>
    decodeFloats(readPayload(model, parameter!.tensor), parameter!.tensor.dataType, name),
  ) as [Float64Array, Float64Array, Float64Array];
  return {
    mean: beta,
    deviation: gamma.map((value, c) => Math.abs(value) * Math.sqrt(spread[c]! / (spread[c]! + epsilon))),
  };
}

for (const name of FAMILIES) {
  const isRun = SMALL.has(name) || process.env.ONNX_TEMPER_FAMILIES === 'all';
  test(`${name}: recalibrated folded, each channel has the mean and deviation that it has with BatchNormalization kept`, {
    skip: isRun ? false : 'ONNX_TEMPER_FAMILIES=all runs it',
  }, async () => {
    const [reference, target] = (SIZES[name] ?? [64, 48]).map((size, seed) => imagesOf(seed, [IMAGES, 3, size, size]));
    writeFileSync(at(name), seededFile(name));
    await recalibrateFile(at(name), at(`${name}.reference`), reference!, { batch: IMAGES });
    await recalibrateFile(at(`${name}.reference`), at(`${name}.target`), target!, { batch: IMAGES });
    const folded = openModel(foldBatchNorms(at(`${name}.reference`), at(`${name}.folded`)));
    const [before, kept] = ['reference', 'target'].map((form) => openModel(at(`${name}.${form}`))) as [Model, Model];
    const run = await recalibrateFolded(folded, reference!, target!);
    const layersOf = (model: Model) => {
      const byOutput = new Map(findLayers(model).layers.map((layer) => [layer.node.outputs[0], layer]));
      return (output: string | undefined): Moments => outputOf(model, byOutput.get(output) ?? assert.fail(output));
    };
    const [hadOf, wantedOf] = [layersOf(before), layersOf(kept)];
    const { folded: layers } = chooseLayers(folded, []);
    let worst = [0, ''] as readonly [number, string];
    for (const [k, { end, name: layer }] of layers.entries()) {
      const [had, wanted] = [hadOf(end.outputs[0]), wantedOf(end.outputs[0])];
      const { mean, variance } = run.after[k]!;
      for (const [c, deviation] of wanted.deviation.entries()) {
        // Where a channel varies little, epsilon holds back the kept network's, at one size more than at the other.
        const held = Math.abs(deviation - had.deviation[c]!);
        const spread = Math.abs(Math.sqrt(variance[c]!) - deviation) - held;
        const off = Math.max(Math.abs(mean[c]! - wanted.mean[c]!), spread);
        if (off / deviation > worst[0]) worst = [off / deviation, `${layer} channel ${c}`];
      }
    }
    for (const model of [before, kept, folded]) model.close();
    assert.ok(worst[0] < 1e-3, worst.join(' deviations: '));
  });
}
