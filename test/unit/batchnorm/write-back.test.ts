import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { findLayers, statisticsEdits } from '../../../src/batchnorm/index.ts';
import { type Model, openModel, writeEdited } from '../../../src/onnx/index.ts';
import { SNAPSHOTS } from '../../support/fashion.ts';
import { decodeModel } from '../../support/model-builder.ts';
import { richExternalModel, richFutureModel, richModel } from '../../support/rich-models.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
const METADATA = { key: 'onnx_temper.9', value: '{"command":"bn-recal"}' };

/** Gives every layer statistics that its file has not. */
function rewrite(path: string, out: string): { model: Model; names: string[] } {
  const model = openModel(path);
  const { layers } = findLayers(model);
  const changes = layers.map((layer) => ({
    layer,
    statistics: {
      mean: Float64Array.from({ length: layer.channels }, (_, c) => 100 + c),
      variance: Float64Array.from({ length: layer.channels }, (_, c) => 200 + c),
    },
  }));
  const { edits, inline } = statisticsEdits(model, changes);
  writeEdited(model, edits, { path: out, force: false, inline, metadata: METADATA });
  model.close();
  return { model, names: layers.flatMap(({ mean, variance }) => [mean.tensor.name, variance.tensor.name]) };
}

test('a real snapshot: the output is the input but for the payloads of its statistics, and provenance at the end', () => {
  const [path, out] = [SNAPSHOTS[0] as string, join(root, 'real.onnx')];
  const { model, names } = rewrite(path, out);
  const [before, after] = [readFileSync(path), readFileSync(out)];
  assert.equal(names.length, 18);
  for (const { name, payload } of model.record.graph.initializers) {
    if (!names.includes(name) || payload.kind !== 'raw') continue;
    const written = new Float32Array(new Uint8Array(after.subarray(payload.start, payload.end)).buffer);
    assert.deepEqual([written[0], written[3]], name.endsWith('mean') ? [100, 103] : [200, 203]);
    // Equal elsewhere: put back what was there.
    before.copy(after, payload.start, payload.start, payload.end);
  }
  assert.equal(Buffer.compare(after.subarray(0, before.length), before), 0);
  const tail = after.subarray(before.length).toString('latin1');
  assert.ok(tail.includes(METADATA.key) && tail.includes(METADATA.value));
  assert.equal(tail.length, METADATA.key.length + METADATA.value.length + 6);
});

for (const [name, files] of Object.entries({
  'a file of everything': richModel(3),
  'one with data files': richExternalModel(3),
  'one with unknown fields in every message': richFutureModel(3),
})) {
  test(`${name}: nothing but the statistics changes, whatever the file holds`, () => {
    const stem = join(root, name.replaceAll(' ', '-'));
    writeFileSync(`${stem}.onnx`, files.model);
    for (const [file, bytes] of Object.entries(files.data)) writeFileSync(join(root, file), bytes);
    rewrite(`${stem}.onnx`, `${stem}-out.onnx`);
    const bytes = readFileSync(`${stem}-out.onnx`);
    const count = (buffer: Buffer) => buffer.toString('latin1').split('future ').length - 1;
    // The statistics here are float_data (`mixed`) and a Constant (`c`): a field of another kind replaces the one.
    // Three unknown fields in each of the seven external_data entries go with their entries.
    const replaced = count(files.model) > 0 ? 21 : 0;
    assert.equal(count(bytes), count(files.model) - replaced);
    const [before, after] = [decodeModel(`${stem}.onnx`), decodeModel(`${stem}-out.onnx`)];
    assert.deepEqual(after.metadataProps?.at(-1)?.key, METADATA.key);
    const comparable = ({ graph, functions, trainingInfo, opsetImport }: typeof before) => ({
      nodes: graph?.node?.filter(({ output }) => output?.[0] !== 'c'),
      initializers: graph?.initializer?.filter(({ name: n, dataLocation }) => n !== 'mixed' && dataLocation !== 1),
      sparse: graph?.sparseInitializer,
      inputs: graph?.input,
      outputs: graph?.output,
      functions,
      trainingInfo,
      opsetImport,
    });
    assert.equal(JSON.stringify(comparable(after)), JSON.stringify(comparable(before)));
    const mixed = after.graph?.initializer?.find((item) => item.name === 'mixed');
    assert.deepEqual([...new Float32Array(new Uint8Array(mixed?.rawData ?? []).buffer)], [100, 101, 102, 103]);
    assert.equal(mixed?.floatData?.length, 0);
  });
}
