import {
  computeMetrics,
  guardVerdict,
  type Predictions,
  scoreBatch,
  scoreModels,
} from '../../../../src/evaluate/index.ts';
import type { SearchedCandidate, SearchRecord } from '../../../../src/search/index.ts';
import { READING } from '../../../support/reading.ts';

/** Predictions on n images of two classes, of which the first `right` are right. */
export function predictions(n: number, right: number): Predictions {
  const data = Float32Array.from({ length: 2 * n }, (_, i) => (i % 2 === (i >> 1 < right ? 0 : 1) ? 2 : 0));
  const float32 = { smallest: 2 ** -149, largestBelowOne: 1 - 2 ** -24 };
  const keys = Array.from({ length: n }, (_, i) => String(i));
  return scoreBatch({ rows: n, classes: 2, data, ...float32 }, keys, new Int32Array(n), { kind: 'logits' });
}

export function candidate(
  name: string,
  family: SearchedCandidate['family'],
  right: number,
  bn: SearchedCandidate['bn'] = 'average',
): SearchedCandidate {
  const { perClass: _, ...metrics } = { perClass: 0, ...computeMetrics(predictions(100, right)) };
  const shown = bn === 'average' ? name : `${name}, recalibrated`;
  const fields = {
    candidate: name,
    family,
    bn,
    n_snapshots: 1,
    top1: metrics.top1,
    top1_lo: metrics.top1 - 0.1,
    top1_hi: metrics.top1 + 0.1,
    nll: metrics.nll,
    ece15: metrics.ece,
    weights: `those of ${name}`,
  };
  return { name: shown, family, bn, metrics, fields };
}

/** A record of these candidates; the last one is the best, the first one the best single, the second the uniform average. */
export function searched(
  candidates: readonly [SearchedCandidate, SearchedCandidate, ...SearchedCandidate[]],
  [before, after]: readonly [number, number],
): SearchRecord {
  const [bestSingle, uniform] = candidates;
  const best = candidates.at(-1) as SearchedCandidate;
  const [a, b] = [predictions(100, before), predictions(100, after)];
  return {
    output: { path: 'best.onnx', bytes: 10, sha256: 'ab', data: undefined },
    candidates,
    chosen: best,
    best,
    bestSingle,
    uniform,
    report: scoreModels(
      [
        { model: bestSingle.name, predictions: a, timing: {}, provenance: {} },
        { model: best.name, predictions: b, timing: {}, provenance: {} },
      ],
      0,
    ),
    verdict: guardVerdict(a, b),
    greedySoup: undefined,
    prunedSoup: undefined,
    weights: { 'epoch_1.onnx': 1 },
    reading: READING,
    snapshotReads: 1,
    evaluations: 2,
    fromCache: 0,
    cache: 'best.onnx.search.jsonl',
    warnings: [],
    seconds: 1,
    evaluatingSeconds: 0.5,
  };
}
