import { attributes, float32, futureModelProto, graphProto, type ModelSpec, modelProto } from './onnx-messages.ts';
import { double, float, int, message, varint } from './wire-fields.ts';

/** A model file with its data files. */
export interface ModelFiles {
  readonly model: Buffer;
  readonly data: Readonly<Record<string, Buffer>>;
}

const values = (seed: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => Math.fround(Math.sin(seed * 31 + i * 7)));
const packedInts = (number: number, ...list: number[]) => message(number, list.map(varint));
const int64 = (...list: number[]) => Buffer.from(BigInt64Array.from(list.map(BigInt)).buffer);

/**
 * Everything in one small file: typed fields of every kind, subgraphs, a local function, sparse and Constant values,
 * training graphs, and (with `external`) data files. Models of different seeds have one graph and other weights.
 */
function spec(seed: number, external: boolean): ModelSpec {
  const v = (count: number, more = 0): number[] => values(seed + more * 100, count);
  const half = (count: number): number[] => v(count).map((x) => 0x3c00 + Math.floor(Math.abs(x) * 1000));
  return {
    metadata: { author: 'test', 'onnx_temper.1': '{"command":"other"}' },
    graph: {
      inputs: [
        { name: 'x', type: 1, dims: ['N', 4] },
        { name: 'cond', type: 9, dims: [] },
      ],
      outputs: [{ name: 'y', type: 1, dims: ['N', 4] }],
      initializers: [
        { name: 'raw', dims: [4, 4], values: v(16) },
        { name: 'packed', dims: [4], fields: [message(4, float32(...v(4, 1)))] },
        { name: 'single', dims: [4], fields: v(4, 2).map((x) => float(4, x)) },
        {
          name: 'mixed',
          dims: [4],
          fields: [float(4, v(1, 3)[0] as number), message(12, 'doc'), message(4, float32(...v(3, 4)))],
        },
        { name: 'half', type: 10, dims: [4], fields: [packedInts(5, ...half(4))] },
        { name: 'bf', type: 16, dims: [2], fields: half(2).map((x) => int(5, x)) },
        { name: 'double', type: 11, dims: [2], fields: v(2, 5).map((x) => double(10, x)) },
        { name: 'shape', type: 7, dims: [2], fields: [packedInts(7, -1, 4)] },
        { name: 'raw shape', type: 7, dims: [1], raw: int64(4) },
        { name: 'codes', type: 3, dims: [3], fields: [packedInts(5, 1, 127, 5)] },
        { name: 'nibbles', type: 22, dims: [3], fields: [packedInts(5, 0x21, 0x03)] },
        { name: 'empty', dims: [0], values: [] },
        { name: 'unused', dims: [1], values: v(1, 6) },
        ...(external
          ? [
              { name: 'ext a', dims: [4], external: { location: 'a.bin', offset: 16, length: 16 } },
              { name: 'ext b', dims: [4], external: { location: 'b.bin' } },
              { name: 'ext codes', type: 3, dims: [4], external: { location: 'a.bin', offset: 0, length: 4 } },
            ]
          : []),
      ],
      sparse: [
        {
          values: { name: 'sp', dims: [2], values: v(2, 7) },
          indices: { type: 7, dims: [2], raw: int64(0, 3) },
          dims: [4],
        },
      ],
      nodes: [
        { op: 'Constant', outputs: ['c'], attributes: [attributes.t('value', { dims: [4], values: v(4, 8) })] },
        { op: 'Constant', outputs: ['cf'], attributes: [attributes.floats('value_floats', ...v(4, 9))] },
        { op: 'MatMul', inputs: ['x', 'raw'], outputs: ['t1'] },
        {
          op: 'BatchNormalization',
          inputs: ['t1', 'packed', 'single', 'mixed', 'c'],
          outputs: ['t2'],
          attributes: [attributes.f('epsilon', 1e-5)],
        },
        { op: 'Reshape', inputs: ['t2', 'shape'], outputs: ['t3'] },
        { op: 'Add', inputs: ['t3', 'cf'], outputs: ['t4'] },
        { op: 'Mul', inputs: ['t4', 'sp'], outputs: ['t5'] },
        { op: 'Cast', inputs: ['half'], outputs: ['h'], attributes: [attributes.i('to', 1)] },
        { op: 'Add', inputs: ['t5', 'h'], outputs: ['t6'] },
        {
          op: 'Odd',
          domain: 'my',
          inputs: ['t6', 'bf', 'double', 'codes', 'nibbles', 'empty', 'raw shape'],
          outputs: ['t7'],
        },
        ...(external ? [{ op: 'Odd', domain: 'my', inputs: ['ext a', 'ext b', 'ext codes'], outputs: ['e'] }] : []),
        {
          op: 'If',
          inputs: ['cond'],
          outputs: ['t8'],
          attributes: [
            attributes.g('then_branch', {
              initializers: [{ name: 'then', dims: [4], values: v(4, 10) }],
              nodes: [{ op: 'Add', inputs: ['t7', 'then'], outputs: ['o'] }],
              outputs: [{ name: 'o', type: 1 }],
            }),
            attributes.g('else_branch', {
              nodes: [{ op: 'Identity', inputs: ['t7'], outputs: ['o'] }],
              outputs: [{ name: 'o', type: 1 }],
            }),
          ],
        },
        {
          op: 'scale',
          domain: 'local',
          inputs: ['t8', 'raw'],
          outputs: ['y'],
          attributes: [attributes.s('mode', 'fast')],
        },
      ],
    },
    functions: [
      {
        name: 'scale',
        domain: 'local',
        inputs: ['a', 'b'],
        outputs: ['r'],
        nodes: [
          { op: 'Constant', outputs: ['k'], attributes: [attributes.t('value', { dims: [4], values: v(4, 11) })] },
          { op: 'MatMul', inputs: ['a', 'b'], outputs: ['p'] },
          { op: 'Mul', inputs: ['p', 'k'], outputs: ['r'] },
        ],
        defaults: [attributes.f('alpha', 0.5)],
      },
    ],
    fields: [message(20, message(2, graphProto({ initializers: [{ name: 'state', dims: [1], values: v(1, 12) }] })))],
  };
}

const dataFiles = (seed: number): Record<string, Buffer> => ({
  'a.bin': Buffer.concat([Buffer.from([1, 2, 3, 4]), Buffer.alloc(12), float32(...values(seed, 4))]),
  'b.bin': Buffer.from(float32(...values(seed + 1, 4))),
});

export function richModel(seed: number): ModelFiles {
  return { model: Buffer.from(modelProto(spec(seed, false))), data: {} };
}

export function richExternalModel(seed: number): ModelFiles {
  return { model: Buffer.from(modelProto(spec(seed, true))), data: dataFiles(seed) };
}

/** The same with unknown fields in every message. */
export function richFutureModel(seed: number): ModelFiles {
  return { model: Buffer.from(futureModelProto(spec(seed, true))), data: dataFiles(seed) };
}
