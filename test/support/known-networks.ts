/** Networks that want one preprocessing and no other: random convolutions, and a classifier fitted to their features of drawn pictures. */
import { applyTransform, type Transform } from '../../src/data/index.ts';
import { DRAWN_CLASSES, drawnPicture } from './drawn-pictures.ts';
import { node, tensor, valueInfo, writeModel } from './model-builder.ts';
import { seeded } from './random.ts';
import { runModel } from './run-model.ts';

export interface KnownNetwork {
  /** What it was made with. */
  readonly transform: Transform;
  /** Of its filters. */
  readonly seed: number;
  /** Whether its file leaves the size open. */
  readonly open?: boolean;
  /** What the graph does by itself with what `transform` gives, on pixels from 0 to 1. */
  readonly inside?: { readonly mean: readonly number[]; readonly std: readonly number[] };
}

const [MAPS, MORE_MAPS] = [24, 40];
const FEATURES = 2 * MORE_MAPS;
const KERNELS = [5, 3] as const;
const TRAIN = 960;
/** The number of the first picture that networks are fitted to. */
const FIRST_OWN = 1e6;
/** Of the variance of a feature. */
const SHRINKAGE = 0.05;

/** Normal numbers (Box and Muller). */
const normal = (uniform: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());

interface Affine {
  readonly weights: number[];
  readonly bias: number[];
}

function randomFilters(uniform: () => number, count: number, length: number): Affine {
  const weights = Array.from({ length: count }, () => {
    const filter = Array.from({ length }, () => normal(uniform));
    const norm = Math.hypot(...filter);
    return filter.map((value) => (2 * value) / norm);
  });
  return { weights: weights.flat(), bias: Array.from({ length: count }, () => 0.5 * normal(uniform)) };
}

/** Filters of pixels from 0 to 1 as filters of (pixel - mean) / std in the order of `color`. Nothing is padded, so it is the same function. */
function folded({ weights, bias }: Affine, { mean, std, color }: Pick<Transform, 'mean' | 'std' | 'color'>): Affine {
  const area = KERNELS[0] ** 2;
  const out = weights.map((_, at) => {
    const [filter, c] = [Math.floor(at / (3 * area)), Math.floor(at / area) % 3];
    const from = color === 'bgr' ? 2 - c : c;
    return (weights[(filter * 3 + from) * area + (at % area)] as number) * (std[from] as number);
  });
  const shift = bias.map((value, filter) =>
    weights
      .slice(filter * 3 * area, (filter + 1) * 3 * area)
      .reduce((sum, weight, k) => sum + weight * (mean[Math.floor(k / area)] as number), value),
  );
  return { weights: out, bias: shift };
}

/** Solves a symmetric positive definite system for several right sides (Cholesky). */
function solve(matrix: readonly (readonly number[])[], sides: readonly (readonly number[])[]): number[][] {
  const n = matrix.length;
  const lower = Array.from({ length: n }, () => new Array<number>(n).fill(0));
  const at = (i: number, j: number): number => (lower[i] as number[])[j] as number;
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let sum = (matrix[i] as readonly number[])[j] as number;
      for (let k = 0; k < j; k++) sum -= at(i, k) * at(j, k);
      (lower[i] as number[])[j] = i === j ? Math.sqrt(sum) : sum / at(j, j);
    }
  return sides.map((side) => {
    const x = [...side];
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < i; k++) x[i] = (x[i] as number) - at(i, k) * (x[k] as number);
      x[i] = (x[i] as number) / at(i, i);
    }
    for (let i = n - 1; i >= 0; i--) {
      for (let k = i + 1; k < n; k++) x[i] = (x[i] as number) - at(k, i) * (x[k] as number);
      x[i] = (x[i] as number) / at(i, i);
    }
    return x;
  });
}

/** Linear discriminants: logits m · S⁻¹ f - m · S⁻¹ m / 2, with the covariance within classes, shrunk. */
function discriminants(features: readonly (readonly number[])[], labels: readonly number[]): Affine {
  const means = Array.from({ length: DRAWN_CLASSES }, (_, k) => {
    const own = features.filter((_, i) => labels[i] === k);
    return Array.from(
      { length: FEATURES },
      (_, f) => own.reduce((sum, one) => sum + (one[f] as number), 0) / own.length,
    );
  });
  const centred = features.map((one, i) =>
    one.map((value, f) => value - ((means[labels[i] as number] as number[])[f] as number)),
  );
  const covariance = Array.from({ length: FEATURES }, (_, a) =>
    Array.from({ length: FEATURES }, (_, b) => {
      const sum = centred.reduce((all, one) => all + (one[a] as number) * (one[b] as number), 0);
      return (sum / features.length) * (a === b ? 1 + SHRINKAGE : 1) + (a === b ? 1e-9 : 0);
    }),
  );
  const rows = solve(covariance, means);
  return {
    weights: rows.flat(),
    bias: rows.map(
      (row, k) => -row.reduce((sum, value, f) => sum + value * ((means[k] as number[])[f] as number), 0) / 2,
    ),
  };
}

function write(
  path: string,
  { transform, inside, open }: KnownNetwork,
  filters: Affine,
  more: Affine,
  head?: Affine,
): string {
  const { crop, layout, dtype } = transform;
  const raw = dtype === 'uint8';
  const first = folded(filters, {
    mean: inside?.mean ?? (raw ? [0, 0, 0] : transform.mean),
    std: inside?.std ?? (raw ? [1, 1, 1].map((one) => one / 255) : transform.std),
    color: transform.color,
  });
  const constant = (name: string, values: readonly number[]) =>
    tensor({ name, dims: [1, 3, 1, 1], values: [...values] });
  const [k, l] = KERNELS;
  const front = [
    ...(raw ? [node('Cast', ['x'], ['cast'], { to: 1 })] : []),
    ...(layout === 'NHWC' ? [node('Transpose', [raw ? 'cast' : 'x'], ['fed'], { perm: [0, 3, 1, 2] })] : []),
    ...(inside ? [node('Sub', ['x', 'mean'], ['centred']), node('Div', ['centred', 'std'], ['fed'])] : []),
  ];
  const [height, width] = open ? ['H', 'W'] : [crop.height, crop.width];
  return writeModel(path, {
    nodes: [
      ...front,
      node('Conv', [front.length > 0 ? 'fed' : 'x', 'w1', 'b1'], ['c1'], { kernel_shape: [k, k], strides: [2, 2] }),
      node('Relu', ['c1'], ['r1']),
      node('Conv', ['r1', 'w2', 'b2'], ['c2'], { kernel_shape: [l, l], strides: [2, 2] }),
      node('Relu', ['c2'], ['r2']),
      node('GlobalAveragePool', ['r2'], ['average']),
      node('GlobalMaxPool', ['r2'], ['most']),
      node('Concat', ['average', 'most'], ['both'], { axis: 1 }),
      node('Flatten', ['both'], ['features']),
      ...(head ? [node('Gemm', ['features', 'w', 'b'], ['y'], { transB: 1 })] : []),
    ],
    initializers: [
      ...(inside ? [constant('mean', inside.mean), constant('std', inside.std)] : []),
      tensor({ name: 'w1', dims: [MAPS, 3, k, k], values: first.weights }),
      tensor({ name: 'b1', dims: [MAPS], values: first.bias }),
      tensor({ name: 'w2', dims: [MORE_MAPS, MAPS, l, l], values: more.weights }),
      tensor({ name: 'b2', dims: [MORE_MAPS], values: more.bias }),
      ...(head
        ? [
            tensor({ name: 'w', dims: [DRAWN_CLASSES, FEATURES], values: head.weights }),
            tensor({ name: 'b', dims: [DRAWN_CLASSES], values: head.bias }),
          ]
        : []),
    ],
    inputs: [
      valueInfo('x', layout === 'NHWC' ? ['N', height, width, 3] : ['N', 3, height, width], raw ? 'uint8' : 'float32'),
    ],
    outputs: [head ? valueInfo('y', ['N', DRAWN_CLASSES]) : valueInfo('features', ['N', FEATURES])],
  });
}

/** Writes a network and fits it to pictures of its own, as its preprocessing gives them; `untrained` leaves its classifier random. */
export async function writeKnownNetwork(path: string, network: KnownNetwork, untrained = false): Promise<string> {
  const uniform = seeded(network.seed);
  const filters = randomFilters(uniform, MAPS, 3 * KERNELS[0] ** 2);
  const more = randomFilters(uniform, MORE_MAPS, MAPS * KERNELS[1] ** 2);
  if (untrained) return write(path, network, filters, more, randomFilters(uniform, DRAWN_CLASSES, FEATURES));
  // Values are folded in exactly: features are those of pixels from 0 to 1.
  const { orientation, resizeRule, resize, crop, interpolation } = network.transform;
  const plain: Transform = {
    ...{ orientation, resizeRule, resize, crop, interpolation, layout: 'NCHW', dtype: 'float32', color: 'rgb' },
    ...{ mean: [0, 0, 0], std: [1, 1, 1], fill: [0, 0, 0] },
  };
  write(path, { transform: plain, seed: network.seed }, filters, more);
  const numbers = Array.from({ length: TRAIN }, (_, i) => FIRST_OWN + i);
  const values = numbers.flatMap((number) => [...applyTransform(drawnPicture(number), plain).data]);
  const flat = await runModel(path, { x: { values, dims: [TRAIN, 3, crop.height, crop.width] } });
  const features = numbers.map((_, i) => flat.slice(i * FEATURES, (i + 1) * FEATURES));
  const labels = numbers.map((number) => number % DRAWN_CLASSES);
  return write(path, network, filters, more, discriminants(features, labels));
}
