import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { computeMetrics, type Evaluation, evaluateModels, type LabelledBatch } from '../../../src/evaluate/index.ts';
import { openSession, type Session, type Tensor } from '../../../src/runtime/index.ts';
import { FASHION, GOLDEN, type GoldenScore, testBatches } from '../../support/fashion.ts';

const NAMES = ['epoch_14', 'epoch_22', 'epoch_25'];
/** Made by fixtures/fashion/make/logits.py. */
const logits: Record<string, number[][]> = JSON.parse(readFileSync(`${FASHION}/logits.json`, 'utf8'));
let sessions: Session[] = [];
let evaluations: Evaluation[] = [];
before(async () => {
  const open = (name: string) => openSession({ model: `${FASHION}/checkpoints/${name}.onnx`, device: 'cpu' });
  sessions = await Promise.all(NAMES.map(open));
  // 300 does not divide 10,000: the last batch is short.
  evaluations = await evaluateModels(sessions, testBatches(300));
});
after(() => Promise.all(sessions.map((session) => session.close())));

for (const [i, name] of NAMES.entries()) {
  test(`${name}: top-1 and top-5 equal torch's, NLL within 1e-6`, () => {
    const { predictions, outputs } = evaluations[i] as Evaluation;
    const metrics = computeMetrics(predictions);
    const expected = GOLDEN.single[name] as GoldenScore;
    assert.equal(metrics.n, 10000);
    assert.equal(outputs, 'logits');
    assert.equal(metrics.top1, expected.top1);
    assert.equal(metrics.top5, expected.top5);
    assert.ok(Math.abs(metrics.nll - expected.nll) < 1e-6, `${metrics.nll} against ${expected.nll}`);
  });

  test(`${name}: the logits of the first 100 images are within 1e-5 of torch's`, async () => {
    const first = (await testBatches(100).next()).value as LabelledBatch;
    const { outputs } = await (sessions[i] as Session).run({ input: first.images[0] as Tensor });
    const { data } = outputs.logits as Tensor;
    const expected = (logits[name] as number[][]).flat();
    assert.equal(data.length, expected.length);
    for (const [at, value] of expected.entries()) assert.ok(Math.abs((data[at] as number) - value) < 1e-5);
  });
}
