import onnxProto, { type onnx as Proto } from 'onnx-proto';

const { onnx } = onnxProto;

const FLOAT = 1;
const INT64 = 7;

type Node = Proto.INodeProto;
type Name = (part: string) => string;

/** Nodes that turn the input of a BatchNormalization into `mean` and `variance`. */
type Measure = (x: string, m: Name) => Node[];

const node = (
  opType: string,
  input: string[],
  output: string,
  attributes: Readonly<Record<string, number | number[]>> = {},
): Node => ({
  opType,
  input,
  output: [output],
  attribute: Object.entries(attributes).map(([name, value]) =>
    typeof value === 'number' ? { name, type: 2, i: value } : { name, type: 7, ints: value },
  ),
});

const reduce = (op: string, from: string, to: string, axes: number[], keepdims: number): Node =>
  node(op, [from], to, { axes, keepdims });

/** The mean square of `centred` [N, C, L] over L. */
const mulAndMean = (m: Name): Node[] => [
  node('Mul', [m('centred'), m('centred')], m('squares')),
  reduce('ReduceMean', m('squares'), m('var_nc'), [2], 1),
];

const powAndMean = (m: Name): Node[] => [
  node('Pow', [m('centred'), 'bench.square'], m('squares')),
  reduce('ReduceMean', m('squares'), m('var_nc'), [2], 1),
];

const byLength = (m: Name): Node[] => [
  node('Shape', [m('flat')], m('length'), { start: 2 }),
  node('Cast', [m('length')], m('divisor'), { to: FLOAT }),
  node('Div', [m('sum'), m('divisor')], m('var_nc')),
];

const sumSquare = (m: Name): Node[] => [reduce('ReduceSumSquare', m('centred'), m('sum'), [2], 1), ...byLength(m)];

const norm = (m: Name): Node[] => [
  reduce('ReduceL2', m('centred'), m('norm'), [2], 1),
  node('Mul', [m('norm'), m('norm')], m('sum')),
  ...byLength(m),
];

/** Each row [1, L] times itself as a column [L, 1]. */
const dotProducts = (m: Name): Node[] => [
  node('Unsqueeze', [m('centred'), 'bench.row'], m('row')),
  node('Unsqueeze', [m('centred'), 'bench.column'], m('column')),
  node('MatMul', [m('row'), m('column')], m('dot')),
  node('Squeeze', [m('dot'), 'bench.column'], m('sum')),
  ...byLength(m),
];

/** Deviations around each image's and channel's own mean. */
const byImage =
  (squares: (m: Name) => Node[]): Measure =>
  (x, m) => [
    node('Reshape', [x, 'bench.flat'], m('flat')),
    reduce('ReduceMean', m('flat'), m('mean_nc'), [2], 1),
    node('Sub', [m('flat'), m('mean_nc')], m('centred')),
    ...squares(m),
    reduce('ReduceMean', m('mean_nc'), m('mean_c'), [0], 1),
    node('Sub', [m('mean_nc'), m('mean_c')], m('between')),
    node('Mul', [m('between'), m('between')], m('between2')),
    node('Add', [m('var_nc'), m('between2')], m('total')),
    reduce('ReduceMean', m('total'), m('variance'), [0, 2], 0),
    node('Reshape', [m('mean_c'), 'bench.all'], m('mean')),
  ];

/** Deviations around the batch's mean. */
const byBatch =
  (squares: (m: Name) => Node[]): Measure =>
  (x, m) => [
    node('Reshape', [x, 'bench.flat'], m('flat')),
    reduce('ReduceMean', m('flat'), m('mean_nc'), [2], 1),
    reduce('ReduceMean', m('mean_nc'), m('mean_c'), [0], 1),
    node('Sub', [m('flat'), m('mean_c')], m('centred')),
    ...squares(m),
    reduce('ReduceMean', m('var_nc'), m('variance'), [0, 2], 0),
    node('Reshape', [m('mean_c'), 'bench.all'], m('mean')),
  ];

const MEASURES: Readonly<Record<string, Measure>> = {
  'by image, Mul and ReduceMean': byImage(mulAndMean),
  'by image, ReduceSumSquare': byImage(sumSquare),
  'by batch, Mul and ReduceMean': byBatch(mulAndMean),
  'by batch, ReduceSumSquare': byBatch(sumSquare),
  'by batch, ReduceL2': byBatch(norm),
  'by batch, Pow and ReduceMean': byBatch(powAndMean),
  'by batch, MatMul': byBatch(dotProducts),
  'over [0, 2, 3] at once': (x, m) => [
    reduce('ReduceMean', x, m('mean_c'), [0, 2, 3], 1),
    node('Sub', [x, m('mean_c')], m('centred')),
    node('Mul', [m('centred'), m('centred')], m('squares')),
    reduce('ReduceMean', m('squares'), m('variance'), [0, 2, 3], 0),
    node('Reshape', [m('mean_c'), 'bench.all'], m('mean')),
  ],
  GlobalAveragePool: (x, m) => [
    node('GlobalAveragePool', [x], m('mean_nc')),
    reduce('ReduceMean', m('mean_nc'), m('mean_c'), [0], 1),
    node('Sub', [x, m('mean_c')], m('centred')),
    node('Mul', [m('centred'), m('centred')], m('squares')),
    node('GlobalAveragePool', [m('squares')], m('var_nc')),
    reduce('ReduceMean', m('var_nc'), m('variance'), [0, 2, 3], 0),
    node('Reshape', [m('mean_c'), 'bench.all'], m('mean')),
  ],
  // E[x²] − E[x]² cancels: no formula to use, but about the least that ordinary operators can cost.
  'no centring (inaccurate)': (x, m) => [
    node('Reshape', [x, 'bench.flat'], m('flat')),
    reduce('ReduceMean', m('flat'), m('mean_nc'), [2], 1),
    reduce('ReduceMean', m('mean_nc'), m('mean'), [0, 2], 0),
    node('Mul', [m('flat'), m('flat')], m('squares')),
    reduce('ReduceMean', m('squares'), m('square_nc'), [2], 1),
    reduce('ReduceMean', m('square_nc'), m('square'), [0, 2], 0),
    node('Mul', [m('mean'), m('mean')], m('mean2')),
    node('Sub', [m('square'), m('mean2')], m('variance')),
  ],
};

/** Deviations in the input's own shape, which the convolution below scales. */
const CONVOLUTION = 'by batch, depthwise Conv normalises';
const centredInPlace: Measure = (x, m) => [
  reduce('ReduceMean', x, m('mean_nc'), [2, 3], 1),
  reduce('ReduceMean', m('mean_nc'), m('mean_c'), [0], 1),
  node('Sub', [x, m('mean_c')], m('centred')),
  node('Mul', [m('centred'), m('centred')], m('squares')),
  reduce('ReduceMean', m('squares'), m('var_nc'), [2, 3], 1),
  reduce('ReduceMean', m('var_nc'), m('var_c'), [0], 1),
  node('Reshape', [m('mean_c'), 'bench.all'], m('mean')),
  node('Reshape', [m('var_c'), 'bench.all'], m('variance')),
];

/**
 * Instead of BatchNormalization, which the CPU provider runs in one thread: one multiplication a channel, as a convolution that
 * Relu is fused with. (The prototype has one epsilon for all layers.)
 */
const normaliseByConvolution = (
  [scale = '', bias = '']: readonly string[],
  output: string,
  channels: number,
  m: Name,
): Node[] => [
  node('Add', [m('variance'), 'bench.epsilon'], m('shifted')),
  node('Sqrt', [m('shifted')], m('deviation')),
  node('Div', [scale, m('deviation')], m('factor')),
  node('Reshape', [m('factor'), 'bench.filter'], m('filter')),
  node('Conv', [m('centred'), m('filter'), bias], output, { kernel_shape: [1, 1], group: channels }),
];

/**
 * Instead of BatchNormalization what its kernel computes, operation by operation, which several threads share: the same bits.
 * (The prototype has one epsilon for all layers.)
 */
const ARITHMETIC = 'by batch, Mul and Add normalise';
const normaliseByArithmetic = (
  x: string,
  [scale = '', bias = '']: readonly string[],
  output: string,
  m: Name,
): Node[] => [
  node('Add', [m('variance'), 'bench.epsilon'], m('shifted')),
  node('Sqrt', [m('shifted')], m('deviation')),
  node('Reciprocal', [m('deviation')], m('inverse')),
  node('Mul', [m('inverse'), scale], m('factor')),
  node('Mul', [m('mean'), m('factor')], m('part')),
  node('Sub', [bias, m('part')], m('shift')),
  node('Reshape', [m('factor'), 'bench.columnShape'], m('factor_c')),
  node('Reshape', [m('shift'), 'bench.columnShape'], m('shift_c')),
  node('Mul', [m('flat'), m('factor_c')], m('scaled')),
  node('Add', [m('scaled'), m('shift_c')], m('normal')),
  node('Shape', [x], m('shape')),
  node('Reshape', [m('normal'), m('shape')], output),
];

/** The operator's own training mode: with momentum 0 outputs 1 and 2 are the batch's mean and biased variance. */
const TRAINING_MODE = 'training mode of the operator';
export const BN_VARIANTS: readonly string[] = [...Object.keys(MEASURES), CONVOLUTION, ARITHMETIC, TRAINING_MODE];

const int64 = (name: string, ...values: number[]): Proto.ITensorProto => ({
  name,
  dims: [values.length],
  dataType: INT64,
  rawData: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
});

const float = (name: string, value: number): Proto.ITensorProto => ({
  name,
  dims: [],
  dataType: FLOAT,
  rawData: new Uint8Array(Float32Array.of(value).buffer),
});

const CONSTANTS: readonly Proto.ITensorProto[] = [
  int64('bench.flat', 0, 0, -1),
  int64('bench.all', -1),
  int64('bench.row', 2),
  int64('bench.column', 3),
  int64('bench.filter', -1, 1, 1, 1),
  int64('bench.columnShape', 1, -1, 1),
  float('bench.square', 2),
  float('bench.epsilon', 1e-5),
];

/** The nodes that outputs depend on, and the names that they read. */
function reachable(nodes: readonly Node[], outputs: readonly string[]): { alive: Node[]; needed: Set<string> } {
  const needed = new Set(outputs);
  const alive = nodes.toReversed().filter(({ input, output }) => {
    if (!output?.some((name) => needed.has(name))) return false;
    for (const name of input ?? []) needed.add(name);
    return true;
  });
  return { alive: alive.reverse(), needed };
}

/**
 * A copy of a float32 model of opset 15 to 17 whose BatchNormalization nodes normalise by the batch, and which returns the
 * batch moments alone and ends at the last of them: prototypes of src/batchnorm/moments-graph.ts, to be timed.
 */
export function prototypeMomentsGraph(model: Uint8Array, variant: string): Uint8Array {
  const proto = onnx.ModelProto.decode(model);
  const graph = proto.graph as Proto.IGraphProto;
  const outputs: string[] = [];
  const nodes = (graph.node ?? []).flatMap((original, i): Node[] => {
    if (original.opType !== 'BatchNormalization') return [original];
    const m = (part: string): string => `bench.${i}.${part}`;
    outputs.push(m('mean'), m('variance'));
    const [x = '', ...parameters] = original.input ?? [];
    if (variant === CONVOLUTION) {
      const channels = Number(graph.initializer?.find(({ name }) => name === parameters[0])?.dims?.[0]);
      return [...centredInPlace(x, m), ...normaliseByConvolution(parameters, original.output?.[0] ?? '', channels, m)];
    }
    if (variant === ARITHMETIC) {
      const measured = MEASURES['by batch, Mul and ReduceMean']?.(x, m) ?? [];
      return [...measured, ...normaliseByArithmetic(x, parameters, original.output?.[0] ?? '', m)];
    }
    const measure = MEASURES[variant];
    if (measure) {
      const input = [x, ...parameters.slice(0, 2), m('mean'), m('variance')];
      return [...measure(x, m), { ...original, input }];
    }
    const attribute = [
      ...(original.attribute ?? []).filter(({ name }) => name === 'epsilon'),
      { name: 'training_mode', type: 2, i: 1 },
      { name: 'momentum', type: 1, f: 0 },
    ];
    // As graph outputs, without which onnxruntime's kernel is wrong (onnxruntime#29790).
    return [{ ...original, output: [...(original.output ?? []), m('mean'), m('variance')], attribute }];
  });
  const { alive, needed } = reachable(nodes, outputs);
  graph.node = alive;
  graph.initializer = [...(graph.initializer ?? []), ...CONSTANTS].filter(({ name }) => needed.has(name ?? ''));
  graph.valueInfo = [];
  graph.output = outputs.map((name) => ({ name, type: { tensorType: { elemType: FLOAT } } }));
  return onnx.ModelProto.encode(proto).finish();
}
