import { closeSync, openSync, writeSync } from 'node:fs';
import { elementCount, type InitializerSpec, type ModelSpec, modelPieces, type NodeSpec } from './onnx-writer.ts';

const STATISTICS = ['weight', 'bias', 'running_mean', 'running_var'];

/** Collects nodes and parameters under torchvision's names. */
function residualGraph() {
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
  /** Channels from -> to. */
  const convBn = (
    x: string,
    conv: string,
    bn: string,
    [from, to]: readonly [number, number],
    kernel: number,
    stride: number,
  ): string => {
    const pad = (kernel - 1) / 2;
    const y = add('Conv', [x, weight(`${conv}.weight`, to, from, kernel, kernel)], `/${conv}/out`, {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
    });
    const statistics = STATISTICS.map((part) => weight(`${bn}.${part}`, to));
    return add('BatchNormalization', [y, ...statistics], `/${bn}/out`, { epsilon: { float: 1e-5 } });
  };
  return { nodes, initializers, add, weight, convBn };
}

interface ResidualNetwork {
  readonly stem: number;
  /** Blocks per stage and their inner width. */
  readonly stages: readonly (readonly [number, number])[];
  /** 1x1, 3x3, 1x1 with an output of four times the width; or two 3x3. */
  readonly bottleneck: boolean;
}

function residualNetwork({ stem, stages, bottleneck }: ResidualNetwork): ModelSpec {
  const { nodes, initializers, add, weight, convBn } = residualGraph();
  let x = add('Relu', [convBn('input', 'conv1', 'bn1', [3, stem], 7, 2)], '/relu/out');
  x = add('MaxPool', [x], '/maxpool/out', { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] });
  let channels = stem;
  for (const [stage, [blocks, width]] of stages.entries()) {
    for (let block = 0; block < blocks; block++) {
      const name = `layer${stage + 1}.${block}`;
      const stride = stage > 0 && block === 0 ? 2 : 1;
      const out = bottleneck ? 4 * width : width;
      const [kernels, widths, strides] = bottleneck
        ? [
            [1, 3, 1],
            [channels, width, width, out],
            [1, stride, 1],
          ]
        : [
            [3, 3],
            [channels, width, out],
            [stride, 1],
          ];
      let y = x;
      for (const [i, kernel] of kernels.entries()) {
        const path = [widths[i] as number, widths[i + 1] as number] as const;
        y = convBn(y, `${name}.conv${i + 1}`, `${name}.bn${i + 1}`, path, kernel, strides[i] as number);
        if (i < kernels.length - 1) y = add('Relu', [y], `/${name}/relu${i + 1}`);
      }
      const changes = stride !== 1 || channels !== out;
      const shortcut = changes
        ? convBn(x, `${name}.downsample.0`, `${name}.downsample.1`, [channels, out], 1, stride)
        : x;
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

/**
 * The graph of torchvision's resnet50 (BatchNormalization kept, opset 17) with its names and shapes:
 * 161 parameters and 106 running statistics, 25,610,152 float32 values.
 */
export function resnet50(): ModelSpec {
  const stages = [
    [3, 64],
    [4, 128],
    [6, 256],
    [3, 512],
  ] as const;
  return residualNetwork({ stem: 64, stages, bottleneck: true });
}

/** torchvision's resnet18 with every width times `width`: 1.8 billion multiplications an image at 1, 0.03 at 1/8. */
export function resnet18(width = 1): ModelSpec {
  const stages = [64, 128, 256, 512].map((channels) => [2, channels * width] as const);
  return residualNetwork({ stem: 64 * width, stages, bottleneck: false });
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
