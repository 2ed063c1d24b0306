import { CHANNELS, type Transform } from '../../data/index.ts';
import type { UsedModel } from '../used-model.ts';
import { pythonUsage, quoted } from './usage-python.ts';

export interface Snippet {
  readonly language: 'python' | 'js' | 'cpp';
  readonly caption: string;
  readonly text: string;
}

const list = (values: readonly number[]): string => values.join(', ');
/** Of one image. */
function dimsOf({ crop, color, layout }: Transform): number[] {
  const channels = CHANNELS[color];
  return layout === 'NCHW' ? [1, channels, crop.height, crop.width] : [1, crop.height, crop.width, channels];
}
const product = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

function node({ input, output, outputType, threshold, transform }: UsedModel): string {
  const { crop, color, mean, std, dtype, layout } = transform;
  const dims = dimsOf(transform);
  // Bits of float16, which Node.js 24 too takes so.
  const array = { uint8: 'Uint8Array', float16: 'Uint16Array', float32: 'Float32Array' }[dtype];
  const filled = `${layout}, ${color}, ${crop.height}x${crop.width}, prepared as in Python`;
  const numbers =
    dtype === 'uint8'
      ? `// ${filled}: bytes from 0 to 255`
      : `// ${filled}: (value / 255 - mean) / std, mean ${list(mean)}, std ${list(std)}${dtype === 'float16' ? ', as bits of float16' : ''}`;
  const isHalf = outputType === 'float16';
  const values = isHalf
    ? [
        'const bits = new Uint16Array(scores.data.buffer, scores.data.byteOffset, scores.data.length);',
        '// In the order of the float16 numbers that they are.',
        'const values = Array.from(bits, (half) => (half & 0x8000 ? -(half & 0x7fff) : half));',
      ]
    : ['const values = Array.from(scores.data);'];
  const above = isHalf && threshold === 0.5 ? '0x3800' : String(threshold);
  return [
    "import * as ort from 'onnxruntime-node';",
    '',
    "const session = await ort.InferenceSession.create('model.onnx');",
    numbers,
    `const pixels = new ${array}(${product(dims)});`,
    `const images = new ort.Tensor('${dtype}', pixels, [${list(dims)}]);`,
    `const { [${quoted(output)}]: scores } = await session.run({ [${quoted(input)}]: images });`,
    ...values,
    threshold === undefined
      ? 'console.log(values.indexOf(Math.max(...values)));'
      : `console.log(Number(values[0] > ${above}));`,
  ].join('\n');
}

const CPP_TYPES: Readonly<Record<string, string>> = {
  uint8: 'uint8_t',
  float16: 'Ort::Float16_t',
  float64: 'double',
  float32: 'float',
};

function cpp({ input, output, outputType, threshold, transform }: UsedModel): string {
  const { crop, color, dtype, layout } = transform;
  const dims = dimsOf(transform);
  const type = CPP_TYPES[dtype];
  const scored = CPP_TYPES[outputType] ?? 'float';
  const order = outputType === 'float16' ? ', [](auto a, auto b) { return a.ToFloat() < b.ToFloat(); }' : '';
  const first = outputType === 'float16' ? 'scores[0].ToFloat()' : 'scores[0]';
  return [
    '#include <onnxruntime_cxx_api.h>',
    '#include <algorithm>',
    '#include <cstdio>',
    '#include <vector>',
    '',
    'int main() {',
    '  Ort::Env env;',
    '  Ort::Session session(env, ORT_TSTR("model.onnx"), Ort::SessionOptions{});',
    `  std::vector<${type}> pixels(${product(dims)});  // ${layout}, ${color}, ${crop.height}x${crop.width}, prepared as in Python`,
    `  const int64_t dims[] = {${list(dims)}};`,
    '  auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);',
    `  auto images = Ort::Value::CreateTensor<${type}>(memory, pixels.data(), pixels.size(), dims, 4);`,
    `  const char* inputs[] = {${quoted(input)}};`,
    `  const char* outputs[] = {${quoted(output)}};`,
    '  auto result = session.Run(Ort::RunOptions{}, inputs, &images, 1, outputs, 1);',
    `  const ${scored}* scores = result[0].GetTensorData<${scored}>();`,
    ...(threshold === undefined
      ? [
          '  const size_t classes = result[0].GetTensorTypeAndShapeInfo().GetElementCount();',
          `  std::printf("%td\\n", std::max_element(scores, scores + classes${order}) - scores);`,
        ]
      : [`  std::printf("%d\\n", ${first} > ${threshold});`]),
    '}',
  ].join('\n');
}

/** How to run the model: the same preprocessing as it was measured with. Pure. */
export const usageSnippets = (model: UsedModel): Snippet[] => [
  { language: 'python', caption: 'onnxruntime, Python', text: pythonUsage(model) },
  { language: 'js', caption: 'onnxruntime, Node.js', text: node(model) },
  { language: 'cpp', caption: 'onnxruntime, C++', text: cpp(model) },
];
