import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import proto from 'onnx-proto';
import { chooseLayers, findLayers, layerCandidates } from '../../../../src/batchnorm/index.ts';
import { modelFromBytes } from '../../../../src/onnx/index.ts';
import { assertFails } from '../../../support/assert-fails.ts';
import { foldGraph } from '../../../support/fold-batchnorm.ts';
import { graphBytes } from '../../../support/intermediate-dims.ts';
import { TORCHVISION_GRAPHS } from '../../../support/seeded-model.ts';

const KEPT = TORCHVISION_GRAPHS.filter((name) => !name.includes('-'));

/** torchvision's graphs, folded as the newer exporter of torch does, which keeps the names of weights; or with names that say nothing. */
function folded(name: string, biasName: (weight: string) => string) {
  const model = proto.onnx.ModelProto.decode(graphBytes(name));
  const made = foldGraph(model.graph!, biasName);
  return { ...made, model: modelFromBytes(proto.onnx.ModelProto.encode(model).finish()) };
}

const FORMS: Readonly<Record<string, (weight: string) => string>> = {
  'as torch >= 2.9 names them': (weight) => `${weight}_bias`,
  'with names that say nothing': (weight) => `${weight}.shift`,
};

for (const name of KEPT) {
  for (const [form, biasName] of Object.entries(FORMS)) {
    test(`${name}, folded, ${form}: the layers are those that the kept graph has`, () => {
      const kept = findLayers(modelFromBytes(graphBytes(name))).layers;
      const { model, folded: gone, kept: left } = folded(name, biasName);
      const chosen = chooseLayers(model, []);
      assert.equal(gone.length + left.length, kept.length);
      assert.deepEqual(new Set(chosen.folded.map(({ end }) => end.outputs[0])), new Set(gone));
      assert.deepEqual(new Set(chosen.kept.map(({ node }) => node.outputs[0])), new Set(left));
      const channels = new Map(kept.map((layer) => [layer.node.outputs[0], layer.channels]));
      for (const layer of chosen.folded) assert.equal(layer.channels, channels.get(layer.end.outputs[0] ?? ''));
    });
  }
}

for (const name of TORCHVISION_GRAPHS.filter((graph) => graph.endsWith('-folded'))) {
  test(`${name}, by torch's TorchScript exporter: the layers are those that the kept graph has`, () => {
    const kept = findLayers(modelFromBytes(graphBytes(name.replace('-folded', '')))).layers;
    const chosen = chooseLayers(modelFromBytes(readFileSync(`fixtures/torchvision/${name}.onnx`)), []);
    const [own, wanted] = [[...chosen.folded, ...chosen.kept], kept].map((layers) =>
      layers.map(({ channels }) => channels).sort((a, b) => a - b),
    );
    assert.deepEqual(own, wanted);
  });
}

for (const name of [
  'alexnet-fixed',
  'vgg11-fixed',
  'squeezenet1_1-dynamic',
  'convnext_tiny-fixed',
  'swin_t-fixed',
  'vit_b_16-fixed',
]) {
  test(`${name} never had BatchNormalization: no layer is a candidate, and the refusal says why`, () => {
    const model = modelFromBytes(graphBytes(name));
    assert.deepEqual(
      layerCandidates(model).filter(({ chosen }) => chosen),
      [],
    );
    const { message, exitCode } = assertFails(() => chooseLayers(model, []), 'UNSUPPORTED_GRAPH');
    assert.equal(exitCode, 5);
    assert.match(message, /has no BatchNormalization, and (LayerNormalization|no layer that one was folded into)/);
  });
}

test('a network with both: BatchNormalization is recalibrated, LayerNormalization needs nothing', () => {
  const { kept, folded: own, notes } = chooseLayers(modelFromBytes(graphBytes('maxvit_t-fixed')), []);
  assert.ok(kept.length > 0 && own.length > 0);
  assert.match(notes.join('\n'), /LayerNormalization \(\d+\) needs nothing/);
});
