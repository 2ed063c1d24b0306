import onnxProto from 'onnx-proto';

const { onnx } = onnxProto;
const { DataType } = onnx.TensorProto;

export interface ModelParts {
  /** [name, element type, dims]: a string is a symbolic dim. */
  readonly inputs: [string, keyof typeof DataType, (number | string)[]][];
  readonly outputs: [string, keyof typeof DataType, (number | string)[]][];
  /** [operator, inputs, outputs, attributes: an integer, or several]. */
  readonly nodes: [string, string[], string[], Record<string, number | number[]>?][];
  readonly initializers?: onnxProto.onnx.ITensorProto[];
  readonly opset?: number;
  readonly ir?: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

const valueInfo = ([name, type, dims]: ModelParts['inputs'][number]): onnxProto.onnx.IValueInfoProto => ({
  name,
  type: {
    tensorType: {
      elemType: DataType[type],
      shape: { dim: dims.map((dim) => (typeof dim === 'string' ? { dimParam: dim } : { dimValue: dim })) },
    },
  },
});

/** A small ONNX model as bytes. */
export function makeModel(parts: ModelParts): Uint8Array {
  const { inputs, outputs, nodes, initializers = [], opset = 17, ir = 8, metadata = {} } = parts;
  return onnx.ModelProto.encode({
    irVersion: ir,
    opsetImport: [{ domain: '', version: opset }],
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    graph: {
      name: 'g',
      input: inputs.map(valueInfo),
      output: outputs.map(valueInfo),
      initializer: initializers,
      node: nodes.map(([opType, input, output, attributes = {}], i) => ({
        name: `${opType}_${i}`,
        opType,
        input,
        output,
        attribute: Object.entries(attributes).map(([name, value]) =>
          typeof value === 'number'
            ? { name, i: value, type: onnx.AttributeProto.AttributeType.INT }
            : { name, ints: value, type: onnx.AttributeProto.AttributeType.INTS },
        ),
      })),
    },
  }).finish();
}

export function floats(name: string, dims: number[], data: number[]): onnxProto.onnx.ITensorProto {
  return { name, dims, dataType: DataType.FLOAT, floatData: data };
}

export function ints(name: string, data: number[]): onnxProto.onnx.ITensorProto {
  return { name, dims: [data.length], dataType: DataType.INT64, int64Data: data };
}

/** A float tensor whose bytes are in another file. */
export function external(name: string, dims: number[], location: string): onnxProto.onnx.ITensorProto {
  return {
    name,
    dims,
    dataType: DataType.FLOAT,
    dataLocation: onnx.TensorProto.DataLocation.EXTERNAL,
    externalData: [{ key: 'location', value: location }],
  };
}

/** y = x, for [N,3]. */
export const IDENTITY = makeModel({
  inputs: [['x', 'FLOAT', ['N', 3]]],
  outputs: [['y', 'FLOAT', ['N', 3]]],
  nodes: [['Identity', ['x'], ['y']]],
});
