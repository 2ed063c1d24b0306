/** Networks whose layers lie in local functions, and the same networks without functions. */
import { normals, PARAMETER_SUFFIXES, parametersOf } from './batchnorm.ts';
import { node, type TestModel, type TestTensor, tensor, valueInfo } from './model-builder.ts';

type NodeProto = TestModel['nodes'][number];
type FunctionProto = NonNullable<TestModel['functions']>[number];

const CHANNELS = 3;
export const FUNCTION_DIMS = ['n', CHANNELS, 5, 5] as const;
const EPSILON = { float: 1e-3 };
const ANY_SIZE = ['n', CHANNELS, 'h', 'w'];

/** A node's attribute that is the call's. */
function referring(proto: NodeProto, own: string, type: number, call: string): NodeProto {
  return { ...proto, attribute: [...(proto.attribute ?? []), { name: own, type, refAttrName: call }] };
}

const body = (name: string, input: readonly string[], output: readonly string[], nodes: readonly NodeProto[]) =>
  ({
    ...{ name, domain: 'test', input: [...input], output: [...output], node: [...nodes] },
    opsetImport: [
      { domain: '', version: 17 },
      { domain: 'test', version: 1 },
    ],
  }) satisfies FunctionProto;

const FORMAL = ['s', 'b', 'm', 'v'] as const;
const formal = (suffix: string): string[] => FORMAL.map((name) => `${name}${suffix}`);
const given = (layer: string): string[] => PARAMETER_SUFFIXES.map((suffix) => `${layer}.${suffix}`);
const batchNorm = (input: string, parameters: readonly string[], output: string, more = {}): NodeProto =>
  node('BatchNormalization', [input, ...parameters], [output], more);
const call = (name: string, inputs: readonly string[], outputs: readonly string[], more = {}): NodeProto =>
  node(name, inputs, outputs, more, 'test');

/** The parameters of a layer that a body stores, and the network without functions as well. */
const STORED = parametersOf('shared', CHANNELS);
const constants = (suffix: string): NodeProto[] =>
  STORED.map((item, i) => node('Constant', [], [`${FORMAL[i]}${suffix}`], { value: { tensor: tensor(item) } }));

const FUNCTIONS: readonly FunctionProto[] = [
  body('Norm', ['x', ...formal('')], ['y'], [referring(batchNorm('x', formal(''), 'y'), 'epsilon', 1, 'eps')]),
  body(
    'Block',
    ['x', 'w', ...formal('')],
    ['y'],
    [
      referring(node('Conv', ['x', 'w'], ['c']), 'pads', 7, 'border'),
      referring(call('Norm', ['c', ...formal('')], ['n']), 'eps', 1, 'small'),
      node('Relu', ['n'], ['y']),
    ],
  ),
  body(
    'Twice',
    ['x', ...formal('1'), ...formal('2')],
    ['y'],
    [
      call('Norm', ['x', ...formal('1')], ['h'], { eps: EPSILON }),
      call('Norm', ['h', ...formal('2')], ['y'], { eps: EPSILON }),
    ],
  ),
  body(
    'Shared',
    ['x'],
    ['y'],
    [...constants(''), batchNorm('x', formal(''), 'n', { epsilon: EPSILON }), node('Relu', ['n'], ['y'])],
  ),
  body(
    'HandedOn',
    ['x', ...formal('')],
    ['z', 'y'],
    [node('Identity', ['x'], ['z']), batchNorm('x', formal(''), 'y', { epsilon: EPSILON })],
  ),
  body(
    'Optional',
    ['x', ...formal(''), 'low'],
    ['y'],
    [batchNorm('x', formal(''), 'n', { epsilon: EPSILON }), node('Clip', ['n', 'low'], ['y'])],
  ),
  body(
    'Branching',
    ['x', ...formal('')],
    ['y'],
    [
      batchNorm('x', formal(''), 'n', { epsilon: EPSILON }),
      node('Constant', [], ['yes'], { value: { tensor: tensor({ name: '', dims: [], values: [1], type: 'bool' }) } }),
      node('If', ['yes'], ['y'], {
        then_branch: {
          graph: { name: 'then', node: [node('Relu', ['n'], ['r'])], output: [valueInfo('r', ANY_SIZE)] },
        },
        else_branch: { graph: { name: 'else', node: [node('Neg', ['n'], ['g'])], output: [valueInfo('g', ANY_SIZE)] } },
      }),
    ],
  ),
];

interface Made {
  readonly called: readonly NodeProto[];
  readonly flat: readonly NodeProto[];
  readonly tensors: readonly TestTensor[];
}

/** A layer's own parameters: those of no other. */
const parameters = (layer: string): TestTensor[] =>
  parametersOf(layer, CHANNELS).map((item) => ({
    ...item,
    values: item.values.map((value) => value + layer.length / 8),
  }));

const norm = (x: string, layer: string, y: string): NodeProto => batchNorm(x, given(layer), y, { epsilon: EPSILON });

/** How a step of the network is written, with functions and without. */
const STEPS = {
  norm: (x, y, k) => ({
    called: [call('Norm', [x, ...given(`bn${k}`)], [y], { eps: EPSILON })],
    flat: [norm(x, `bn${k}`, y)],
    tensors: parameters(`bn${k}`),
  }),
  block: (x, y, k) => ({
    called: [call('Block', [x, `w${k}`, ...given(`bn${k}`)], [y], { small: EPSILON, border: [1, 1, 1, 1] })],
    flat: [
      node('Conv', [x, `w${k}`], [`c${k}`], { pads: [1, 1, 1, 1] }),
      norm(`c${k}`, `bn${k}`, `n${k}`),
      node('Relu', [`n${k}`], [y]),
    ],
    tensors: [{ name: `w${k}`, dims: [3, 3, 3, 3], values: normals(k + 1, 81, 0, 0.4) }, ...parameters(`bn${k}`)],
  }),
  twice: (x, y, k) => ({
    called: [call('Twice', [x, ...given(`bn${k}.a`), ...given(`bn${k}.b`)], [y])],
    flat: [norm(x, `bn${k}.a`, `h${k}`), norm(`h${k}`, `bn${k}.b`, y)],
    tensors: [...parameters(`bn${k}.a`), ...parameters(`bn${k}.b`)],
  }),
  handedOn: (x, y, k) => ({
    called: [call('HandedOn', [x, ...given(`bn${k}`)], [`p${k}`, `q${k}`]), node('Add', [`p${k}`, `q${k}`], [y])],
    flat: [norm(x, `bn${k}`, `q${k}`), node('Add', [x, `q${k}`], [y])],
    tensors: parameters(`bn${k}`),
  }),
  optional: (x, y, k) => ({
    called: [call('Optional', [x, ...given(`bn${k}`)], [y])],
    flat: [norm(x, `bn${k}`, `n${k}`), node('Clip', [`n${k}`], [y])],
    tensors: parameters(`bn${k}`),
  }),
  branching: (x, y, k) => ({
    called: [call('Branching', [x, ...given(`bn${k}`)], [y])],
    flat: [norm(x, `bn${k}`, `n${k}`), node('Relu', [`n${k}`], [y])],
    tensors: parameters(`bn${k}`),
  }),
  shared: (x, y, k) => ({
    called: [call('Shared', [x], [y])],
    flat: [norm(x, `shared${k}`, `n${k}`), node('Relu', [`n${k}`], [y])],
    tensors: parametersOf(`shared${k}`, CHANNELS),
  }),
} satisfies Readonly<Record<string, (x: string, y: string, k: number) => Made>>;

export type Step = keyof typeof STEPS;
export const FUNCTION_STEPS = Object.keys(STEPS) as Step[];

/** x through the steps, one behind the other, to y. */
export function functionNetwork(steps: readonly Step[], form: 'called' | 'flat'): TestModel {
  const made = steps.map((step, k) =>
    STEPS[step](k === 0 ? 'x' : `y${k - 1}`, k === steps.length - 1 ? 'y' : `y${k}`, k),
  );
  return {
    nodes: made.flatMap((one) => one[form]),
    initializers: made
      .flatMap(({ tensors }, k) => (form === 'called' && steps[k] === 'shared' ? [] : tensors))
      .map((item) => tensor(item)),
    inputs: [valueInfo('x', FUNCTION_DIMS)],
    outputs: [valueInfo('y', FUNCTION_DIMS)],
    functions: form === 'called' ? FUNCTIONS : [],
  };
}
