import { closeSync, openSync, writeSync } from 'node:fs';
import { elementCount, type InitializerSpec, type ModelSpec, modelPieces, type NodeSpec } from './onnx-writer.ts';

/** Blocks per stage and bottleneck width: torchvision resnet50. */
const STAGES = [
  [3, 64],
  [4, 128],
  [6, 256],
  [3, 512],
] as const;
const EXPANSION = 4;

/**
 * The graph of torchvision's resnet50 (BatchNormalization kept, opset 17) with its names and shapes:
 * 161 parameters and 106 running statistics, 25,610,152 float32 values.
 */
export function resnet50(): ModelSpec {
  const nodes: NodeSpec[] = [];
  const initializers: InitializerSpec[] = [];
  const add = (op: string, inputs: string[], output: string, attributes: NodeSpec['attributes'] = {}): string => {
    nodes.push({ op, inputs, outputs: [output], attributes });
    return output;
  };
  const weight = (name: string, ...dims: number[]): string => {
    initializers.push({ name, dims });
    return name;
  };
  const convBn = (
    x: string,
    conv: string,
    bn: string,
    from: number,
    to: number,
    kernel: number,
    stride: number,
  ): string => {
    const pad = (kernel - 1) / 2;
    const y = add('Conv', [x, weight(`${conv}.weight`, to, from, kernel, kernel)], `/${conv}/out`, {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
    });
    const statistics = ['weight', 'bias', 'running_mean', 'running_var'].map((part) => weight(`${bn}.${part}`, to));
    return add('BatchNormalization', [y, ...statistics], `/${bn}/out`, { epsilon: { float: 1e-5 } });
  };

  let x = add('Relu', [convBn('input', 'conv1', 'bn1', 3, 64, 7, 2)], '/relu/out');
  x = add('MaxPool', [x], '/maxpool/out', { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] });
  let channels = 64;
  for (const [stage, [blocks, width]] of STAGES.entries()) {
    for (let block = 0; block < blocks; block++) {
      const name = `layer${stage + 1}.${block}`;
      const stride = stage > 0 && block === 0 ? 2 : 1;
      const out = width * EXPANSION;
      let y = add('Relu', [convBn(x, `${name}.conv1`, `${name}.bn1`, channels, width, 1, 1)], `/${name}/relu1`);
      y = add('Relu', [convBn(y, `${name}.conv2`, `${name}.bn2`, width, width, 3, stride)], `/${name}/relu2`);
      y = convBn(y, `${name}.conv3`, `${name}.bn3`, width, out, 1, 1);
      const shortcut =
        block === 0 ? convBn(x, `${name}.downsample.0`, `${name}.downsample.1`, channels, out, 1, stride) : x;
      x = add('Relu', [add('Add', [y, shortcut], `/${name}/add`)], `/${name}/out`);
      channels = out;
    }
  }
  x = add('Flatten', [add('GlobalAveragePool', [x], '/avgpool/out')], '/flatten/out', { axis: 1 });
  add('Gemm', [x, weight('fc.weight', 1000, channels), weight('fc.bias', 1000)], 'output', { transB: 1 });
  return {
    opset: 17,
    irVersion: 8,
    nodes,
    initializers,
    input: { name: 'input', dims: ['batch', 3, 224, 224] },
    output: { name: 'output', dims: ['batch', 1000] },
  };
}

/** xorshift32 (Marsaglia 2003): the seeded values need to differ, not to be good. */
function* xorshift32(seed: number): Generator<number, never> {
  let state = (seed * 0x9e3779b9) | 1;
  for (;;) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    yield state;
  }
}

/**
 * Writes a model with seeded values: weights within ±1/sqrt(fan in), variances in [0.5, 1.5). The same seed gives the
 * same bytes. Memory: the largest tensor.
 * @returns the byte offset of the last weight
 */
export function writeSyntheticModel(path: string, spec: ModelSpec, seed: number): number {
  const fd = openSync(path, 'w');
  try {
    const random = xorshift32(seed);
    const values = ({ name, dims }: InitializerSpec): Uint8Array => {
      const data = new Float32Array(elementCount(dims));
      const variance = name.endsWith('running_var');
      const range = variance ? 0.5 : 1 / Math.sqrt(elementCount(dims.slice(1)));
      const offset = variance ? 1 : 0;
      for (let i = 0; i < data.length; i++) data[i] = offset + (range * random.next().value) / 2 ** 31;
      return new Uint8Array(data.buffer);
    };
    let size = 0;
    let last = 0;
    for (const piece of modelPieces(spec, values)) {
      for (let done = 0; done < piece.length; ) done += writeSync(fd, piece, done);
      size += piece.length;
      last = piece.length;
    }
    return size - last - Float32Array.BYTES_PER_ELEMENT;
  } finally {
    closeSync(fd);
  }
}
