import { random } from '../../../../src/core/index.ts';
import { resolveTransform } from '../../../../src/data/index.ts';
import type { Predictions } from '../../../../src/evaluate/index.ts';
import type { SizeAnalysis } from '../../../../src/resolution/index.ts';
import { areaOf, type PixelSize, sidesOf } from '../../../../src/resolution/sizes.ts';
import type { Cell, Variant } from '../../../../src/resolution/sweep/plan.ts';
import type { RowEvaluation, RowModel, RowSettings, SweptCell } from '../../../../src/resolution/sweep/rows.ts';

export const analysis = (size: PixelSize): SizeAnalysis => ({
  gmacs: areaOf(size) / 1e4,
  gmacsNote: undefined,
  map: [Math.ceil(sidesOf(size).height / 32), Math.ceil(sidesOf(size).width / 32)],
  findings: [],
});

export const rowModel = (name: string, more: Partial<RowModel> = {}): RowModel => ({
  name,
  sha256: 'a'.repeat(64),
  trainSize: 224,
  fixedSize: undefined,
  doubt: undefined,
  provider: 'cpu',
  onnxruntime: '1.0.0',
  analysisAt: (_, size) => analysis(size),
  ...more,
});

/** Predictions of n images, of which a share is right; the same images in all, right where a luck that all share is. */
function predictionsOf(n: number, share: number): Predictions {
  const stream = random(1, 'luck');
  const right = Array.from({ length: n }, () => stream.float() < share);
  return {
    keys: right.map((_, i) => `image ${i}`),
    labels: new Int32Array(n),
    top5: Int32Array.from(right.flatMap((is) => [is ? 0 : 1, 2, 3, 4, 5])),
    nll: Float64Array.from(right, (is) => (is ? 0.1 : 2)),
    confidence: new Float64Array(n).fill(0.9),
    sumP2: new Float64Array(n).fill(0.82),
  };
}

export const evaluation = (share: number, imagesPerSecond: number, n = 400): RowEvaluation => ({
  predictions: predictionsOf(n, share),
  outputs: 'logits',
  classes: 6,
  timing: { images: n, imagesPerSecond, p50Ms: 1, p95Ms: 2, p99Ms: 3, batch: 64 },
  times: { rows: [n], ms: [(1000 * n) / imagesPerSecond] },
  enlarged: 0.25,
  padded: 0,
  preparationMs: 10,
});

export const cell = (size: PixelSize, more: Partial<Cell> = {}): Cell => ({
  model: 0,
  size,
  variant: 'keep' satisfies Variant,
  cropRatio: undefined,
  transform: resolveTransform({ size }),
  baseline: size === 224,
  ...more,
});

export const swept = (model: RowModel, of: Cell, outcome: SweptCell['outcome']): SweptCell => ({
  cell: of,
  model,
  outcome,
});

export const SETTINGS: RowSettings = {
  dataset: { source: '/data/val', tableHash: () => 'b'.repeat(64) },
  data: { rows: { start: 10 }, limit: undefined },
  skipped: 3,
  seed: 0,
  workers: 2,
};
