import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { isolate, probe, relativeDifference } from '../../../src/resolution/index.ts';
import { openSession, type Tensor } from '../../../src/runtime/index.ts';
import { imagesOf } from '../../support/batchnorm.ts';
import { expectFailure } from '../../support/expect-failure.ts';
import { node, tensor, valueInfo, writeModel } from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder();
/** Runs at 4 px alone: a weight for 48 values. */
const path = writeModel(join(folder, 'fixed.onnx'), {
  nodes: [node('Flatten', ['x'], ['flat']), node('MatMul', ['flat', 'w'], ['scores'])],
  initializers: [tensor({ name: 'w', dims: [48, 3], values: Array.from({ length: 144 }, (_, i) => (i % 7) - 3) })],
  inputs: [valueInfo('x', ['N', 3, 'H', 'W'])],
  outputs: [valueInfo('scores', ['N', 3])],
});
const open = () => openSession({ model: path, device: 'cpu', threads: 1 });

test('a probe gives one row of scores an image, the same every time, and throws what the runtime says', async () => {
  const session = await open();
  const [once, again] = [await probe(session, [2, 3, 4, 4]), await probe(session, [2, 3, 4, 4])];
  assert.deepEqual([once.rows, once.classes], [2, 3]);
  assert.equal(relativeDifference(once, again), 0);
  assert.notDeepEqual(once.data.slice(0, 3), once.data.slice(3));
  await expectFailure('EXECUTION_RUN', [/Dimension mismatch|dimension mismatch/i], () => probe(session, [2, 3, 5, 5]));
  await session.close();
});

test('an isolated session keeps its first failure and answers zeros from then on; the session itself goes on', async () => {
  const session = await open();
  const { session: isolated, failure } = isolate(session, undefined, 3);
  const run = (size: number) => isolated.run({ x: imagesOf(1, [2, 3, size, size]) }, ['scores']);
  const scoresOf = ({ outputs }: Awaited<ReturnType<typeof run>>) => [
    ...((outputs.scores as Tensor).data as Float32Array),
  ];
  const good = await run(4);
  assert.ok(good.ms > 0 && scoresOf(good).some((score) => score !== 0));
  assert.equal(failure(), undefined);
  for (const size of [5, 4]) {
    const result = await run(size);
    assert.deepEqual([scoresOf(result), result.ms], [[0, 0, 0, 0, 0, 0], 0]);
  }
  assert.equal(failure()?.code, 'EXECUTION_RUN');
  assert.equal((await probe(session, [1, 3, 4, 4])).rows, 1);
  await session.close();
});
