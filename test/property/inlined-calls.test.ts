import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { applyEdits, inlineCalls, openModel } from '../../src/onnx/index.ts';
import { imagesOf } from '../support/batchnorm.ts';
import { FUNCTION_STEPS, functionNetwork } from '../support/function-models.ts';
import { writeModel } from '../support/model-builder.ts';
import { runModel } from '../support/run-model.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();
const images = imagesOf(3, [2, 3, 5, 5]);
const feeds = { x: { values: Array.from(images.data as Float32Array), dims: images.dims } };
const isNorm = ({ opType }: { readonly opType: string }) => opType === 'BatchNormalization';

/**
 * What onnxruntime makes of a model with functions. It refuses some itself (1.30): shapes behind a Conv whose pads are the call's are
 * inferred without them, and an If in a later function finds the two to differ.
 */
async function calledOutput(path: string) {
  try {
    return await runModel(path, feeds);
  } catch (error) {
    assert.match((error as Error).message, /Node \(_inlfunc_Branching_.*Can't merge shape info/s);
    return undefined;
  }
}

test('a copy in which functions are called no more gives what the model gives, and what the network without functions gives', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...FUNCTION_STEPS), { minLength: 1, maxLength: 4 }), async (steps) => {
      const [called, flat] = (['called', 'flat'] as const).map((form) =>
        writeModel(join(root, `${form}.onnx`), functionNetwork(steps, form)),
      ) as [string, string];
      const model = openModel(called);
      const copy = inlineCalls(model, isNorm).model;
      model.close();
      assert.ok(
        copy.record.graph.nodes.every(({ domain }) => domain === ''),
        'no call is left',
      );
      const outputs = copy.record.graph.nodes.flatMap((node) => node.outputs);
      assert.equal(new Set(outputs).size, outputs.length, 'names are distinct');
      const inlined = join(root, 'inlined.onnx');
      writeFileSync(inlined, applyEdits(copy, []));
      const [a, b] = await Promise.all([runModel(flat, feeds), runModel(inlined, feeds)]);
      // onnxruntime fuses nodes of functions in another order: roundings.
      for (const other of [b, await calledOutput(called)])
        other?.forEach((value, i) => {
          assert.ok(Math.abs(value - (a[i] as number)) <= 1e-5 * (1 + Math.abs(value)));
        });
    }),
    { numRuns: 25 },
  );
});

test('a model without functions, or whose functions hold nothing of the kind, is its own copy', () => {
  const flat = openModel(writeModel(join(root, 'own.onnx'), functionNetwork(['block'], 'flat')));
  assert.equal(inlineCalls(flat, isNorm).model, flat);
  flat.close();
  const called = openModel(writeModel(join(root, 'other.onnx'), functionNetwork(['block'], 'called')));
  assert.equal(inlineCalls(called, ({ opType }) => opType === 'LSTM').model, called);
  called.close();
});

test('a file whose functions multiply is refused before memory is', () => {
  const double = (k: number) => ({
    ...{ name: `F${k}`, domain: 'test', input: ['a'], output: ['c'] },
    node: [0, 1].map((i) => ({
      ...{ opType: k === 0 ? 'BatchNormalization' : `F${k - 1}`, domain: k === 0 ? '' : 'test' },
      ...{ input: [i === 0 ? 'a' : 'b'], output: [i === 0 ? 'b' : 'c'] },
    })),
  });
  const bomb = functionNetwork([], 'called');
  const path = writeModel(join(root, 'bomb.onnx'), {
    ...bomb,
    nodes: [{ opType: 'F40', domain: 'test', input: ['x'], output: ['y'] }],
    functions: Array.from({ length: 41 }, (_, k) => double(k)),
  });
  const model = openModel(path);
  assert.throws(() => inlineCalls(model, isNorm), { code: 'FORMAT_LIMIT' });
  model.close();
});
