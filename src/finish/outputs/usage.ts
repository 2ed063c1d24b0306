import { CHANNELS, type Transform } from '../../data/index.ts';

/** What code needs to know of a model. */
export interface UsedModel {
  readonly input: string;
  readonly output: string;
  readonly transform: Transform;
}

export interface Snippet {
  readonly language: 'python' | 'js' | 'cpp';
  readonly caption: string;
  readonly text: string;
}

const list = (values: readonly number[]): string => values.join(', ');
/** Pillow's names of filters. */
const FILTERS: Readonly<Record<string, string>> = {
  nearest: 'NEAREST',
  box: 'BOX',
  hamming: 'HAMMING',
  bicubic: 'BICUBIC',
  lanczos: 'LANCZOS',
};

/** Text between quotes, in all three languages. */
const quoted = (name: string): string => JSON.stringify(name);

function python({ input, transform }: UsedModel): string {
  const { resize, crop, resizeRule, color, mean, std, dtype, layout, interpolation } = transform;
  const mode = { grey: 'L', rgba: 'RGBA', rgb: 'RGB', bgr: 'RGB' }[color];
  const filter = `Image.Resampling.${FILTERS[interpolation] ?? 'BILINEAR'}`;
  const short = Math.min(resize.height, resize.width);
  // Whole numbers, as torchvision's: of a product with a fraction the short side may come out a pixel less.
  const resized =
    resizeRule === 'short'
      ? [`image = image.resize([${short} * side // min(image.size) for side in image.size], ${filter})`]
      : resizeRule === 'squash'
        ? [`image = image.resize((${resize.width}, ${resize.height}), ${filter})`]
        : [
            `# Bring it to ${resize.height} x ${resize.width} by the rule "${resizeRule}" of onnx-temper (docs/preprocessing.md), which Pillow has no function for.`,
          ];
  const scaled =
    dtype === 'uint8'
      ? ['x = np.asarray(image, np.uint8)']
      : [
          `x = np.asarray(image, np.${dtype === 'float16' ? 'float32' : dtype}) / 255`,
          `x = (x - np.array([${list(mean)}], np.float32)) / np.array([${list(std)}], np.float32)`,
        ];
  const axes =
    color === 'grey' ? ['x = x.reshape(x.shape[0], x.shape[1], 1)'] : color === 'bgr' ? ['x = x[:, :, ::-1]'] : [];
  const turned = layout === 'NCHW' ? 'x.transpose(2, 0, 1)' : 'x';
  return [
    'import numpy as np, onnxruntime as ort',
    'from PIL import Image',
    '',
    'session = ort.InferenceSession("model.onnx")',
    `image = Image.open("picture.jpg").convert("${mode}")`,
    ...resized,
    `left, top = round((image.width - ${crop.width}) / 2), round((image.height - ${crop.height}) / 2)`,
    `image = image.crop((left, top, left + ${crop.width}, top + ${crop.height}))`,
    ...scaled.slice(0, 1),
    ...axes.slice(0, 1).filter(() => color === 'grey'),
    ...scaled.slice(1),
    ...axes.filter(() => color === 'bgr'),
    `scores = session.run(None, {${quoted(input)}: np.ascontiguousarray(${turned}[None]${dtype === 'float16' ? '.astype(np.float16)' : ''})})[0][0]`,
    'print(int(scores.argmax()))',
  ].join('\n');
}

function node({ input, output, transform }: UsedModel): string {
  const { crop, color, mean, std, dtype, layout } = transform;
  const channels = CHANNELS[color];
  const dims = layout === 'NCHW' ? [1, channels, crop.height, crop.width] : [1, crop.height, crop.width, channels];
  const array = dtype === 'uint8' ? 'Uint8Array' : dtype === 'float16' ? 'Float16Array' : 'Float32Array';
  const numbers =
    dtype === 'uint8'
      ? '// pixels: bytes from 0 to 255'
      : `// each pixel: (value / 255 - mean) / std, mean ${list(mean)}, std ${list(std)}`;
  return [
    "import * as ort from 'onnxruntime-node';",
    '',
    "const session = await ort.InferenceSession.create('model.onnx');",
    numbers,
    `const pixels = new ${array}(${dims.reduce((a, b) => a * b, 1)}); // ${layout}, ${color}, ${crop.height}x${crop.width}`,
    `const images = new ort.Tensor('${dtype}', pixels, [${list(dims)}]);`,
    `const { [${quoted(output)}]: scores } = await session.run({ [${quoted(input)}]: images });`,
    'console.log(scores.data.indexOf(Math.max(...scores.data)));',
  ].join('\n');
}

function cpp({ input, output, transform }: UsedModel): string {
  const { crop, color, dtype, layout } = transform;
  const channels = CHANNELS[color];
  const dims = layout === 'NCHW' ? [1, channels, crop.height, crop.width] : [1, crop.height, crop.width, channels];
  const type = dtype === 'uint8' ? 'uint8_t' : dtype === 'float16' ? 'Ort::Float16_t' : 'float';
  return [
    '#include <onnxruntime_cxx_api.h>',
    '#include <algorithm>',
    '#include <cstdio>',
    '#include <vector>',
    '',
    'int main() {',
    '  Ort::Env env;',
    '  Ort::Session session(env, ORT_TSTR("model.onnx"), Ort::SessionOptions{});',
    `  std::vector<${type}> pixels(${dims.reduce((a, b) => a * b, 1)});  // ${layout}, ${color}, prepared as in Python`,
    `  const int64_t dims[] = {${list(dims)}};`,
    '  auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);',
    `  auto images = Ort::Value::CreateTensor<${type}>(memory, pixels.data(), pixels.size(), dims, 4);`,
    `  const char* inputs[] = {${quoted(input)}};`,
    `  const char* outputs[] = {${quoted(output)}};`,
    '  auto result = session.Run({}, inputs, &images, 1, outputs, 1);',
    '  const float* scores = result[0].GetTensorData<float>();',
    '  const size_t classes = result[0].GetTensorTypeAndShapeInfo().GetElementCount();',
    '  std::printf("%td\\n", std::max_element(scores, scores + classes) - scores);',
    '}',
  ].join('\n');
}

/** How to run the model: the same preprocessing as it was measured with. Pure. */
export const usageSnippets = (model: UsedModel): Snippet[] => [
  { language: 'python', caption: 'onnxruntime, Python', text: python(model) },
  { language: 'js', caption: 'onnxruntime, Node.js', text: node(model) },
  { language: 'cpp', caption: 'onnxruntime, C++', text: cpp(model) },
];
