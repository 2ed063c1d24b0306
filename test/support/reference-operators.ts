/**
 * Operators in float64 by their definitions (ONNX operator schemas), one value at a time: what gradients are checked
 * against. No code is shared with the product.
 */
export interface Array64 {
  readonly dims: readonly number[];
  readonly data: Float64Array;
}

export interface ReferenceNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly attributes?: Readonly<Record<string, number | readonly number[]>>;
}

const count = (dims: readonly number[]): number => dims.reduce((product, size) => product * size, 1);
const zeros = (dims: readonly number[]): Array64 => ({ dims, data: new Float64Array(count(dims)) });

/** Place of an index in an array that is broadcast to `dims`. */
function at({ dims }: Array64, index: readonly number[]): number {
  const skip = index.length - dims.length;
  let place = 0;
  for (const [axis, size] of dims.entries()) place = place * size + (size === 1 ? 0 : (index[axis + skip] as number));
  return place;
}

function* indices(dims: readonly number[]): Generator<number[]> {
  const index = dims.map(() => 0);
  for (let i = 0; i < count(dims); i++) {
    yield index;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] as number) + 1;
      if ((index[axis] as number) < (dims[axis] as number)) break;
      index[axis] = 0;
    }
  }
}

function broadcast(a: Array64, b: Array64, f: (x: number, y: number) => number): Array64 {
  const rank = Math.max(a.dims.length, b.dims.length);
  const size = ({ dims }: Array64, axis: number): number => dims[axis - (rank - dims.length)] ?? 1;
  const dims = Array.from({ length: rank }, (_, axis) => Math.max(size(a, axis), size(b, axis)));
  const out = zeros(dims);
  let place = 0;
  for (const index of indices(dims))
    out.data[place++] = f(a.data[at(a, index)] as number, b.data[at(b, index)] as number);
  return out;
}

const map = (a: Array64, f: (x: number) => number): Array64 => ({ dims: a.dims, data: a.data.map(f) });

function transposed(a: Array64, perm: readonly number[]): Array64 {
  const dims = perm.map((axis) => a.dims[axis] as number);
  const out = zeros(dims);
  let place = 0;
  for (const index of indices(dims)) {
    const from = a.dims.map(() => 0);
    for (const [to, axis] of perm.entries()) from[axis] = index[to] as number;
    out.data[place++] = a.data[at(a, from)] as number;
  }
  return out;
}

function mean(a: Array64, axes: readonly number[], keep: boolean): Array64 {
  const kept = a.dims.map((size, axis) => (axes.includes(axis) ? 1 : size));
  const out = zeros(kept);
  let place = 0;
  const n = axes.reduce((product, axis) => product * (a.dims[axis] as number), 1);
  for (const index of indices(a.dims)) {
    const to = at(out, index);
    out.data[to] = (out.data[to] as number) + (a.data[place++] as number) / n;
  }
  return keep ? out : { dims: a.dims.filter((_, axis) => !axes.includes(axis)), data: out.data };
}

function matMul(a: Array64, b: Array64): Array64 {
  const [n = 0, k = 0] = a.dims.slice(-2);
  const m = b.dims.at(-1) as number;
  const stacks = count(a.dims.slice(0, -2));
  const out = zeros([...a.dims.slice(0, -1), m]);
  for (let s = 0; s < stacks; s++)
    for (let i = 0; i < n; i++)
      for (let j = 0; j < m; j++) {
        let sum = 0;
        const right = b.dims.length > 2 ? s * k * m : 0;
        for (let l = 0; l < k; l++)
          sum += (a.data[(s * n + i) * k + l] as number) * (b.data[right + l * m + j] as number);
        out.data[(s * n + i) * m + j] = sum;
      }
  return out;
}

function averagePool(a: Array64, node: ReferenceNode): Array64 {
  const list = (name: string, otherwise: number[]) => (node.attributes?.[name] as number[] | undefined) ?? otherwise;
  const kernel = list('kernel_shape', []);
  const [strides, pads] = [list('strides', [1, 1]), list('pads', [0, 0, 0, 0])];
  const [n = 0, c = 0, h = 0, w = 0] = a.dims;
  const size = [h, w].map((length, i) => Math.floor((length + pads[i]! + pads[i + 2]! - kernel[i]!) / strides[i]!) + 1);
  const out = zeros([n, c, ...size]);
  let place = 0;
  for (const [b, ch, y, x] of indices(out.dims)) {
    let [sum, inside] = [0, 0];
    for (let dy = 0; dy < kernel[0]!; dy++)
      for (let dx = 0; dx < kernel[1]!; dx++) {
        const [row, column] = [y! * strides[0]! - pads[0]! + dy, x! * strides[1]! - pads[1]! + dx];
        if (row < 0 || column < 0 || row >= h || column >= w) continue;
        sum += a.data[((b! * c + ch!) * h + row) * w + column] as number;
        inside++;
      }
    out.data[place++] = sum / (node.attributes?.count_include_pad === 1 ? kernel[0]! * kernel[1]! : inside);
  }
  return out;
}

function gemm(node: ReferenceNode, a: Array64, b: Array64, c: Array64 | undefined): Array64 {
  const scalar = (name: string, otherwise: number) => (node.attributes?.[name] as number | undefined) ?? otherwise;
  const side = (matrix: Array64, flag: string) => (scalar(flag, 0) === 1 ? transposed(matrix, [1, 0]) : matrix);
  const product = map(matMul(side(a, 'transA'), side(b, 'transB')), (x) => scalar('alpha', 1) * x);
  return c ? broadcast(product, c, (x, y) => x + scalar('beta', 1) * y) : product;
}

/** Normalises each channel by the moments of the batch. */
function batchNorm(x: Array64, scale: Array64, bias: Array64, epsilon: number): Array64 {
  const axes = x.dims.flatMap((_, axis) => (axis === 1 ? [] : [axis]));
  const centred = broadcast(x, mean(x, axes, true), (a, b) => a - b);
  const variance = mean(
    map(centred, (a) => a * a),
    axes,
    true,
  );
  const shape = (v: Array64): Array64 => ({ dims: x.dims.map((size, axis) => (axis === 1 ? size : 1)), data: v.data });
  const normal = broadcast(centred, variance, (a, v) => a / Math.sqrt(v + epsilon));
  return broadcast(
    broadcast(normal, shape(scale), (a, s) => a * s),
    shape(bias),
    (a, b) => a + b,
  );
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

type Operator = (node: ReferenceNode, ...inputs: Array64[]) => Array64;
const number = (node: ReferenceNode, name: string, otherwise: number) =>
  (node.attributes?.[name] as number | undefined) ?? otherwise;

const REFERENCE: Readonly<Record<string, Operator>> = {
  Add: (_, a, b) => broadcast(a!, b!, (x, y) => x + y),
  Sub: (_, a, b) => broadcast(a!, b!, (x, y) => x - y),
  Mul: (_, a, b) => broadcast(a!, b!, (x, y) => x * y),
  Div: (_, a, b) => broadcast(a!, b!, (x, y) => x / y),
  Neg: (_, a) => map(a!, (x) => -x),
  Sqrt: (_, a) => map(a!, Math.sqrt),
  Relu: (_, a) => map(a!, (x) => Math.max(0, x)),
  LeakyRelu: (node, a) => map(a!, (x) => (x < 0 ? number(node, 'alpha', 0.01) * x : x)),
  Clip: (_, a, low, high) => map(a!, (x) => Math.min(Math.max(x, low!.data[0]!), high!.data[0]!)),
  Sigmoid: (_, a) => map(a!, sigmoid),
  Tanh: (_, a) => map(a!, Math.tanh),
  HardSigmoid: (node, a) =>
    map(a!, (x) => Math.max(0, Math.min(1, number(node, 'alpha', 0.2) * x + number(node, 'beta', 0.5)))),
  HardSwish: (_, a) => map(a!, (x) => x * Math.max(0, Math.min(1, x / 6 + 0.5))),
  Identity: (_, a) => a!,
  Flatten: (_, a) => ({ dims: [a!.dims[0]!, count(a!.dims.slice(1))], data: a!.data }),
  Reshape: (node, a) => ({ dims: node.attributes?.to as readonly number[], data: a!.data }),
  Squeeze: (node, a) => {
    const axes = node.attributes?.to as readonly number[];
    return { dims: a!.dims.filter((_, axis) => !axes.includes(axis)), data: a!.data };
  },
  Unsqueeze: (node, a) => {
    const dims = [...a!.dims];
    for (const axis of (node.attributes?.to ?? []) as readonly number[]) dims.splice(axis, 0, 1);
    return { dims, data: a!.data };
  },
  Transpose: (node, a) => transposed(a!, node.attributes?.perm as readonly number[]),
  Concat: (node, ...parts) => {
    const axis = number(node, 'axis', 0);
    const dims = parts[0]!.dims.map((size, i) =>
      i === axis ? parts.reduce((sum, p) => sum + p.dims[axis]!, 0) : size,
    );
    const out = zeros(dims);
    let place = 0;
    for (const index of indices(dims)) {
      let [part, offset] = [0, index[axis]!];
      while (offset >= parts[part]!.dims[axis]!) offset -= parts[part++]!.dims[axis]!;
      const from = index.map((i, a) => (a === axis ? offset : i));
      out.data[place++] = parts[part]!.data[at(parts[part]!, from)]!;
    }
    return out;
  },
  GlobalAveragePool: (_, a) =>
    mean(
      a!,
      a!.dims.flatMap((_, axis) => (axis < 2 ? [] : [axis])),
      true,
    ),
  ReduceMean: (node, a) => mean(a!, node.attributes?.axes as readonly number[], number(node, 'keepdims', 1) === 1),
  AveragePool: (node, a) => averagePool(a!, node),
  MatMul: (_, a, b) => matMul(a!, b!),
  Gemm: (node, a, b, c) => gemm(node, a!, b!, c),
  Conv: (_, x, w, b) => {
    const [n = 0, k = 0, h = 0, wide = 0] = x!.dims;
    const m = w!.dims[0] as number;
    const rows = transposed(x!, [0, 2, 3, 1]);
    const product = matMul(
      { dims: [n * h * wide, k], data: rows.data },
      transposed({ dims: [m, k], data: w!.data }, [1, 0]),
    );
    const sum = b ? broadcast(product, b, (p, q) => p + q) : product;
    return transposed({ dims: [n, h, wide, m], data: sum.data }, [0, 3, 1, 2]);
  },
  BatchNorm: (node, x, scale, bias) => batchNorm(x!, scale!, bias!, number(node, 'epsilon', 1e-5)),
};

/** All values of a graph. */
export function evaluateReference(
  nodes: readonly ReferenceNode[],
  feeds: Readonly<Record<string, Array64>>,
): Map<string, Array64> {
  const values = new Map(Object.entries(feeds));
  for (const node of nodes) {
    const operator = REFERENCE[node.op];
    if (!operator) throw new Error(`no reference for ${node.op}`);
    values.set(node.output, operator(node, ...node.inputs.map((name) => values.get(name)!)));
  }
  return values;
}
