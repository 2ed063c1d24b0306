import onnxProto from 'onnx-proto';
import { floats, makeModel } from './small-models.ts';

/**
 * A dynamically quantized classifier of grey images: y = dequantize(quantize(x) · w), where the scale of x is that of the
 * whole batch, so that an image's logits depend on its neighbours.
 */
export function quantizedTeacher(side: number, classes = 10): Uint8Array {
  const inputs = side * side;
  const codes = Int8Array.from({ length: inputs * classes }, (_, i) => Math.round(90 * Math.sin(7 * i + 1)));
  return makeModel({
    inputs: [['x', 'FLOAT', ['N', 1, side, side]]],
    outputs: [['y', 'FLOAT', ['N', classes]]],
    nodes: [
      ['Flatten', ['x'], ['flat'], { axis: 1 }],
      ['DynamicQuantizeLinear', ['flat'], ['x_codes', 'x_scale', 'x_zero']],
      ['MatMulInteger', ['x_codes', 'w', 'x_zero'], ['sums']],
      ['Cast', ['sums'], ['sums_float'], { to: onnxProto.onnx.TensorProto.DataType.FLOAT }],
      ['Mul', ['x_scale', 'w_scale'], ['scale']],
      ['Mul', ['sums_float', 'scale'], ['y']],
    ],
    initializers: [
      {
        name: 'w',
        dims: [inputs, classes],
        dataType: onnxProto.onnx.TensorProto.DataType.INT8,
        rawData: new Uint8Array(codes.buffer),
      },
      floats('w_scale', [], [0.002]),
    ],
  });
}
