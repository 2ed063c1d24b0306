import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { momentsOfBatch } from '../../src/batchnorm/collect-moments.ts';
import { type BatchMoments, findLayers, measure } from '../../src/batchnorm/index.ts';
import { momentsGraph } from '../../src/batchnorm/moments-graph.ts';
import { openModel, sessionModel } from '../../src/onnx/index.ts';
import { openSession } from '../../src/runtime/index.ts';
import { batchesOf, channelMoments, imagesOf, oneLayer } from '../support/batchnorm.ts';
import { writeModel } from '../support/model-builder.ts';
import { tempFolder } from '../support/temp-folder.ts';
import '../support/seeded.ts';

const DIMS = [60, 3, 5, 5];
const images = () => imagesOf(4, DIMS);

/** Places to cut 60 images at. */
const cuts = fc
  .uniqueArray(fc.integer({ min: 1, max: 59 }), { maxLength: 59 })
  .map((list) => list.sort((a, b) => a - b));

test('splitting the images into other batches, or giving these to workers, changes a first layer by less than 1e-6', async () => {
  const model = openModel(writeModel(join(tempFolder(), 'model.onnx'), oneLayer(['n', ...DIMS.slice(1)])));
  const { layers } = findLayers(model);
  const graph = momentsGraph(model, { layers, batchNormalised: true });
  const session = await openSession({ ...sessionModel(model, graph), device: 'cpu', threads: 1 });
  const statistics = (batches: readonly BatchMoments[]) =>
    measure(layers, 'population', batches)[0]?.statistics ?? assert.fail();
  const expected = channelMoments(images().data as Float32Array, DIMS);
  try {
    await fc.assert(
      fc.asyncProperty(cuts, fc.integer({ min: 1, max: 5 }), async (cut, workers) => {
        const batches: BatchMoments[] = [];
        for (const batch of batchesOf(images(), cut)) batches.push(await momentsOfBatch(session, graph, layers, batch));
        const one = statistics(batches);
        for (const c of [0, 1, 2]) {
          const [mean = 0, variance = 0] = [expected.mean[c], expected.variance[c]];
          assert.ok(Math.abs((one.mean[c] as number) - mean) < 1e-6 * Math.sqrt(variance));
          assert.ok(Math.abs((one.variance[c] as number) / variance - 1) < 1e-6);
        }
        // Workers hold every n-th batch; put back in batch order they are the same numbers.
        const shards = Array.from({ length: workers }, (_, i) => batches.filter(({ batch }) => batch % workers === i));
        assert.deepEqual(statistics(shards.flat().sort((a, b) => a.batch - b.batch)), one);
      }),
      { numRuns: 60 },
    );
  } finally {
    await session.close();
    model.close();
  }
});
