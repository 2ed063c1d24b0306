import type { ResizeRule, Transform } from '../../data/index.ts';
import type { UsedModel } from '../used-model.ts';

/** Text between quotes, in Python, JavaScript and C++. */
export const quoted = (name: string): string => JSON.stringify(name);

/** Pillow's names of filters. */
const FILTERS: Readonly<Record<string, string>> = {
  nearest: 'NEAREST',
  box: 'BOX',
  hamming: 'HAMMING',
  bicubic: 'BICUBIC',
  lanczos: 'LANCZOS',
};

type Frame = Pick<Transform, 'resize' | 'crop' | 'framing' | 'resizeRule'>;

const byRatio = (choose: 'min' | 'max', { resize: { width, height } }: Frame, filter: string): string[] => [
  `ratio = ${choose}(image.width / ${width}, image.height / ${height})`,
  `image = image.resize([max(1, round(side / ratio)) for side in image.size], ${filter})`,
];
const bySide = (side: string, { resize }: Frame, filter: string): string[] => {
  const length = side === 'min' ? resize.height : Math.max(resize.width, resize.height);
  // Whole numbers, as torchvision's: of a product with a fraction a side may come out a pixel less.
  return [`image = image.resize([max(1, ${length} * side // ${side}(image.size)) for side in image.size], ${filter})`];
};

/** The lines that bring an image to its resize target, as planGeometry does. */
const RESIZE: Readonly<Record<ResizeRule, (frame: Frame, filter: string) => string[]>> = {
  short: (frame, filter) =>
    frame.resize.width === frame.resize.height ? bySide('min', frame, filter) : byRatio('min', frame, filter),
  long: (frame, filter) => bySide('max', frame, filter),
  bounded: ({ resize: { height, width } }, filter) => [
    'short, long = sorted(image.size)',
    `exact = ${width} * short / long if long / short * ${height} > ${width} else ${height}`,
    'sides = [round(exact), max(1, int(exact * long / short))]',
    'if sides[0] != short:',
    `    image = image.resize(sides if image.width < image.height else sides[::-1], ${filter})`,
  ],
  height: ({ resize: { height } }, filter) => [
    `image = image.resize((max(1, ${height} * image.width // image.height), ${height}), ${filter})`,
  ],
  squash: ({ resize: { width, height } }, filter) => [`image = image.resize((${width}, ${height}), ${filter})`],
  border: (frame, filter) => byRatio('max', frame, filter),
  inner: ({ crop, resize, framing }, filter) => [
    `part = [max(1, int(${crop.width} / ${resize.width} * min(image.size))), max(1, int(${crop.height} / ${resize.height} * min(image.size)))]`,
    `left, top = [${offset(framing, '(side - own)')} for side, own in zip(image.size, part)]`,
    'image = image.crop((left, top, left + part[0], top + part[1]))',
    `image = image.resize((${crop.width}, ${crop.height}), ${filter})`,
  ],
  keep: () => [],
};

/** Where the crop of an image begins that is longer by a margin; one that is less than nothing is padded. */
function offset(framing: Frame['framing'], margin: string, mayPad = false): string {
  if (framing === 'corner') return '0';
  if (framing === 'transformers') return `${margin} // 2`;
  if (framing === 'tensorflow') return `(${margin} + 1) // 2`;
  return mayPad ? `round(${margin} / 2) if ${margin} > 0 else -(-${margin} // 2)` : `round(${margin} / 2)`;
}

/** Whether some picture may be less than the crop. */
function mayPad({ resize, crop, resizeRule }: Frame): boolean {
  if (resizeRule === 'inner') return false;
  const covers = resize.width >= crop.width && resize.height >= crop.height;
  return !(covers && (resizeRule === 'short' || resizeRule === 'squash'));
}

function cropped(transform: Transform, mode: string): string[] {
  const { crop, fill, framing, color } = transform;
  const { width, height } = crop;
  const isPadded = mayPad(transform);
  const offsets = isPadded
    ? [`left, top = [${offset(framing, 'm', true)} for m in (image.width - ${width}, image.height - ${height})]`]
    : [`left, top = ${offset(framing, `(image.width - ${width})`)}, ${offset(framing, `(image.height - ${height})`)}`];
  if (isPadded && fill.some((value) => value !== 0)) {
    const ground = color === 'grey' ? String(fill[0]) : `(${fill.join(', ')})`;
    return [
      ...offsets,
      `ground = Image.new("${mode}", (${width}, ${height}), ${ground})`,
      'ground.paste(image, (-left, -top))',
      'image = ground',
    ];
  }
  return [
    ...offsets,
    ...(framing === 'corner' ? ['across, down = image.size'] : []),
    `image = image.crop((left, top, left + ${width}, top + ${height}))`,
  ];
}

function numbers({ color, mean, std, dtype, framing }: Transform): string[] {
  const list = (values: readonly number[]): string => `np.array([${values.join(', ')}], np.float32)`;
  const grey = color === 'grey' ? ['x = x[:, :, None]'] : [];
  return [
    ...(dtype === 'uint8' ? ['x = np.array(image, np.uint8)'] : ['x = np.array(image, np.float32) / 255']),
    ...grey,
    ...(dtype === 'uint8' ? [] : [`x = (x - ${list(mean)}) / ${list(std)}`]),
    ...(framing === 'corner' ? ['x[down:], x[:, across:] = 0, 0'] : []),
    ...(color === 'bgr' ? ['x = x[:, :, ::-1]'] : []),
  ];
}

/** Code for onnxruntime with Pillow: the preprocessing that the model was measured with. */
export function pythonUsage({ input, output, threshold, transform }: UsedModel): string {
  const { resize, resizeRule, color, dtype, layout, interpolation, resampler, orientation } = transform;
  const mode = { grey: 'L', rgba: 'RGBA', rgb: 'RGB', bgr: 'RGB' }[color];
  const resized =
    resampler === undefined
      ? RESIZE[resizeRule](transform, `Image.Resampling.${FILTERS[interpolation] ?? 'BILINEAR'}`)
      : [
          `# Bring it to ${resize.height} x ${resize.width} by the rule "${resizeRule}", "${interpolation}", as ${resampler} does (docs/preprocessing.md of onnx-temper): Pillow's filters differ.`,
        ];
  const turned = layout === 'NCHW' ? 'x.transpose(2, 0, 1)' : 'x';
  const half = dtype === 'float16' ? '.astype(np.float16)' : '';
  return [
    'import numpy as np, onnxruntime as ort',
    orientation === 'exif' ? 'from PIL import Image, ImageOps' : 'from PIL import Image',
    '',
    'session = ort.InferenceSession("model.onnx")',
    orientation === 'exif'
      ? `image = ImageOps.exif_transpose(Image.open("picture.jpg")).convert("${mode}")`
      : `image = Image.open("picture.jpg").convert("${mode}")`,
    ...resized,
    ...cropped(transform, mode),
    ...numbers(transform),
    `scores = session.run([${quoted(output)}], {${quoted(input)}: np.ascontiguousarray(${turned}[None]${half})})[0][0]`,
    threshold === undefined ? 'print(int(scores.argmax()))' : `print(int(scores.item() > ${threshold}))`,
  ].join('\n');
}
