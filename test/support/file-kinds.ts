/** Runnable classifiers in every kind of ONNX file, from one set of named weights. */
import {
  externalTensors,
  node,
  type Storage,
  type TestModel,
  type TestTensor,
  type TestType,
  TYPE_CODE,
  tensor,
  valueInfo,
  writeModel,
} from './model-builder.ts';
import type { Feeds } from './run-model.ts';

export type Weights = Readonly<Record<string, readonly number[]>>;

/** The weights of the classifier: 1x1 and 3x3 filters, BatchNormalization, a dense layer. */
const DIMS: Readonly<Record<string, readonly number[]>> = {
  'conv.weight': [4, 3, 3, 3],
  'conv.bias': [4],
  'bn.weight': [4],
  'bn.bias': [4],
  'bn.mean': [4],
  'bn.var': [4],
  'fc.weight': [5, 4],
  'fc.bias': [5],
};

export interface FileKind {
  /** The type in which the weights are stored: averages are rounded to it once. */
  readonly type: TestType;
  readonly dims: Readonly<Record<string, readonly number[]>>;
  readonly write: (path: string, weights: Weights) => string;
  readonly feeds: readonly Feeds[];
  /** Whether the weights lie beside the model. */
  readonly external?: boolean;
  readonly ir: number;
  readonly opset: number;
}

const IMAGE = { values: Array.from({ length: 2 * 3 * 36 }, (_, i) => Math.sin(i * 1.7)), dims: [2, 3, 6, 6] };
const FEEDS: readonly Feeds[] = [{ x: IMAGE }];
const IO = { inputs: [valueInfo('x', ['n', 3, 6, 6])], outputs: [valueInfo('logits', ['n', 5])] };

const tensors = (weights: Weights, type: TestType, dims = DIMS): TestTensor[] =>
  Object.entries(dims).map(([name, shape]) => ({ name, dims: shape, values: weights[name]!, type }));

const filter = (name: string): string => name;
/** The classifier's nodes; `use` names the value that stands for a weight, x and logits are float32. */
function classifier(use: (name: string) => string = filter, compute: TestType = 'float32'): TestModel['nodes'] {
  const half = compute !== 'float32';
  const [x, logits] = half ? ['x_c', 'logits_c'] : ['x', 'logits'];
  return [
    ...(half ? [node('Cast', ['x'], ['x_c'], { to: TYPE_CODE[compute] })] : []),
    node('Conv', [x, use('conv.weight'), use('conv.bias')], ['c'], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
    node('BatchNormalization', ['c', ...['bn.weight', 'bn.bias', 'bn.mean', 'bn.var'].map(use)], ['b'], {
      epsilon: { float: 1e-5 },
    }),
    node('Relu', ['b'], ['r']),
    node('GlobalAveragePool', ['r'], ['g']),
    node('Flatten', ['g'], ['f']),
    node('Gemm', ['f', use('fc.weight'), use('fc.bias')], [logits], { transB: 1 }),
    ...(half ? [node('Cast', ['logits_c'], ['logits'], { to: 1 })] : []),
  ];
}

interface Plain {
  readonly type?: TestType;
  readonly store?: Storage;
  readonly ir?: number;
  readonly opset?: number;
}

/** Initializers of the main graph. */
export function plain({ type = 'float32', store = 'raw', ir = 8, opset = 17 }: Plain = {}): FileKind {
  // bfloat16 is a storage type on the CPU: every weight is cast before its use.
  const stored = type === 'bfloat16';
  const casts = Object.keys(DIMS).map((name) => node('Cast', [name], [`${name}_f`], { to: 1 }));
  const nodes = stored ? [...casts, ...classifier((name) => `${name}_f`)] : classifier(filter, type);
  return {
    type,
    dims: DIMS,
    ir,
    opset,
    feeds: FEEDS,
    write: (path, weights) =>
      writeModel(path, { ...IO, ir, opset, nodes, initializers: tensors(weights, type).map((t) => tensor(t, store)) }),
  };
}

/** The CPU has no double Conv: a dense network, with BatchNormalization over features. */
function double(store: Storage): FileKind {
  const dims = {
    'fc1.weight': [4, 3],
    'fc1.bias': [4],
    'bn.weight': [4],
    'bn.bias': [4],
    'bn.mean': [4],
    'bn.var': [4],
    'fc.weight': [5, 4],
    'fc.bias': [5],
  };
  const nodes = [
    node('GlobalAveragePool', ['x'], ['p']),
    node('Flatten', ['p'], ['q']),
    node('Cast', ['q'], ['d'], { to: TYPE_CODE.float64 }),
    node('Gemm', ['d', 'fc1.weight', 'fc1.bias'], ['h'], { transB: 1 }),
    node('BatchNormalization', ['h', 'bn.weight', 'bn.bias', 'bn.mean', 'bn.var'], ['b']),
    node('Relu', ['b'], ['r']),
    node('Gemm', ['r', 'fc.weight', 'fc.bias'], ['l'], { transB: 1 }),
    node('Cast', ['l'], ['logits'], { to: 1 }),
  ];
  return {
    type: 'float64',
    dims,
    ir: 8,
    opset: 17,
    feeds: FEEDS,
    write: (path, weights) =>
      writeModel(path, { ...IO, nodes, initializers: tensors(weights, 'float64', dims).map((t) => tensor(t, store)) }),
  };
}

function external(fileOf: (modelPath: string, name: string) => string, more?: Record<string, string>): FileKind {
  return {
    ...plain(),
    external: true,
    write: (path, weights) =>
      writeModel(path, {
        ...IO,
        nodes: classifier(),
        initializers: externalTensors(tensors(weights, 'float32'), path, ({ name }) => fileOf(path, name), more),
      }),
  };
}
const stem = (path: string): string => path.slice(path.lastIndexOf('/') + 1).replace('.onnx', '');

/** Constant nodes: `value` for all, `value_floats` for vectors, `value_float` for a PRelu slope. */
const constants: FileKind = {
  ...plain(),
  dims: { ...DIMS, slope: [] },
  write(path, weights) {
    const held = tensors(weights, 'float32').map((item) =>
      node(
        'Constant',
        [],
        [item.name],
        item.dims.length === 1
          ? { value_floats: { floats: item.values } }
          : { value: { tensor: tensor({ ...item, name: '' }) } },
      ),
    );
    const slope = node('Constant', [], ['slope'], { value_float: { float: weights.slope![0]! } });
    const nodes = classifier().map((item) => (item.opType === 'Relu' ? node('PRelu', ['b', 'slope'], ['r']) : item));
    return writeModel(path, { ...IO, nodes: [...held, slope, ...nodes] });
  },
};

/** Weights in both branches of an If, beside weights of the main graph that the branches capture. */
const subgraph: FileKind = {
  ...plain(),
  dims: { ...DIMS, 'else.weight': [5, 4], 'else.bias': [5] },
  feeds: [1, 0].map((value) => ({ x: IMAGE, flag: { values: [value], dims: [], type: 'bool' } })),
  write(path, weights) {
    const nodes = classifier();
    const all = new Map(tensors(weights, 'float32', this.dims).map((t) => [t.name, t]));
    const branch = (weight: string, bias: string) => ({
      name: weight,
      node: [node('Gemm', ['f', weight, bias], [`${weight}_out`], { transB: 1 })],
      initializer: [tensor(all.get(weight)!)],
      output: [valueInfo(`${weight}_out`, ['n', 5])],
    });
    const outer = [...all.values()].filter(({ name }) => name !== 'fc.weight' && name !== 'else.weight');
    return writeModel(path, {
      inputs: [...IO.inputs, valueInfo('flag', [], 'bool')],
      outputs: IO.outputs,
      nodes: [
        ...nodes.slice(0, -1),
        node('If', ['flag'], ['logits'], {
          then_branch: { graph: branch('fc.weight', 'fc.bias') },
          else_branch: { graph: branch('else.weight', 'else.bias') },
        }),
      ],
      initializers: outer.map((t) => tensor(t)),
    });
  },
};

/** A local function that holds the head's weights as Constant nodes and gets the first layer's as arguments. */
const localFunction: FileKind = {
  ...plain(),
  write(path, weights) {
    const all = tensors(weights, 'float32');
    const inner = all.filter(({ name }) => name.startsWith('fc.'));
    const outer = all.filter(({ name }) => !name.startsWith('fc.'));
    const args = outer.map(({ name }) => name);
    const nodes = [
      ...inner.map((t) => node('Constant', [], [t.name], { value: { tensor: tensor({ ...t, name: '' }) } })),
      ...classifier(),
    ];
    return writeModel(path, {
      ...IO,
      nodes: [node('Classifier', ['x', ...args], ['logits'], {}, 'test')],
      initializers: outer.map((t) => tensor(t)),
      functions: [
        {
          name: 'Classifier',
          domain: 'test',
          input: ['x', ...args],
          output: ['logits'],
          node: [...nodes],
          opsetImport: [{ domain: '', version: 17 }],
        },
      ],
    });
  },
};

/** The dense layer's weight as a sparse initializer: 7 of 20 values. */
const INDICES = [0, 3, 4, 9, 11, 15, 18];
const sparse: FileKind = {
  ...plain(),
  dims: { ...DIMS, 'fc.weight': [INDICES.length] },
  write(path, weights) {
    const dense = tensors(weights, 'float32').filter(({ name }) => name !== 'fc.weight');
    return writeModel(path, {
      ...IO,
      nodes: classifier(),
      initializers: dense.map((t) => tensor(t)),
      sparse: [
        {
          dims: [5, 4],
          values: tensor({ name: 'fc.weight', dims: [INDICES.length], values: weights['fc.weight']! }),
          indices: tensor({ name: 'fc.weight_indices', dims: [INDICES.length], values: INDICES, type: 'int64' }),
        },
      ],
    });
  },
};

export const FILE_KINDS: Readonly<Record<string, FileKind>> = {
  'float32 raw_data': plain(),
  'float32 float_data': plain({ store: 'typed' }),
  'float16 raw_data': plain({ type: 'float16' }),
  'float16 int32_data': plain({ type: 'float16', store: 'typed' }),
  'bfloat16 raw_data, cast': plain({ type: 'bfloat16' }),
  'bfloat16 int32_data, cast': plain({ type: 'bfloat16', store: 'typed' }),
  'float64 raw_data': double('raw'),
  'float64 double_data': double('typed'),
  'external data in one file': external((path) => `${stem(path)}.data`),
  'external data in one file, with a checksum': external((path) => `${stem(path)}.data`, { checksum: '0'.repeat(40) }),
  'external data in many files': external((path, name) => `${stem(path)}.${name}`),
  'Constant nodes': constants,
  'subgraphs of If': subgraph,
  'a local function': localFunction,
  'a sparse initializer': sparse,
};
