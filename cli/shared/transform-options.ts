import type { Options } from 'yargs';
import { TemperError } from '../../src/core/index.ts';
import {
  COLORS,
  INTERPOLATIONS,
  PRESETS,
  RESIZE_RULES,
  resolveTransform,
  type Transform,
  type TransformOptions,
} from '../../src/data/index.ts';
import { type Session } from '../../src/runtime/index.ts';
import { imageInput } from '../../src/signature/index.ts';
import { grouped } from './option-values.ts';

const text = (describe: string, alias?: string | string[]): Options => ({
  type: 'string',
  describe,
  ...(alias ? { alias } : {}),
});

/** From an image to the network's input. Each may be given once, or once per model. */
export const TRANSFORM = grouped('Transform (once, or once per model):', {
  preset: text(`${PRESETS.join(', ')} (default: torchvision)`),
  size: text("Input size N or HxW (default: the model's, else 224)", ['img-size', 'val-crop-size']),
  resize: text('Resize target before the crop', 'val-resize-size'),
  'crop-ratio': text('Size over resize target', 'crop-pct'),
  'resize-rule': text(RESIZE_RULES.join(', ')),
  interpolation: text(INTERPOLATIONS.join(', ')),
  mean: text('Mean per channel on the 0..1 scale'),
  std: text('Standard deviation per channel on the 0..1 scale'),
  color: text(`${COLORS.join(', ')} (default: by the model's channels)`),
  orientation: text('ignore (as PIL does), or exif'),
} as const satisfies Record<string, Options>);

export type TransformArguments = Partial<Record<keyof typeof TRANSFORM, unknown>>;

function usage(option: string, value: unknown, expected: string): TemperError {
  return new TemperError('USAGE', `--${option} ${String(value)}: expected ${expected}`, { details: { option } });
}

/** The value of an option for model i of n: given once it holds for all. @throws TemperError USAGE for another number */
export function valueFor(
  args: Readonly<Record<string, unknown>>,
  option: string,
  i: number,
  n: number,
): string | undefined {
  const given = args[option];
  if (given === undefined) return undefined;
  const values = Array.isArray(given) ? given.map(String) : [String(given)];
  if (values.length !== 1 && values.length !== n) {
    throw usage(option, values.join(' '), `one value, or one for each of ${n} models`);
  }
  return values[values.length === 1 ? 0 : i];
}

function numbers(option: string, value: string | undefined): number[] | undefined {
  if (value === undefined) return undefined;
  const parsed = value.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (parsed.some((number) => !Number.isFinite(number))) throw usage(option, value, 'numbers, separated by commas');
  return parsed;
}

function number(option: string, value: string | undefined): number | undefined {
  const [only, ...rest] = numbers(option, value) ?? [];
  if (rest.length > 0) throw usage(option, value, 'one number');
  return only;
}

function size(value: string | undefined): TransformOptions['size'] {
  if (value === undefined) return undefined;
  const [height, width = height, ...rest] = value.split('x').map(Number);
  if (rest.length > 0 || !Number.isSafeInteger(height) || !Number.isSafeInteger(width))
    throw usage('size', value, 'N or HxW, once or once per model');
  return { height: height as number, width: width as number };
}

/** A model's name and inputs: of a session, or of a file (declaredInputs). */
export type DeclaredInputs = Pick<Session, 'label' | 'inputs'>;

/** What the model says about its input: layout, colour, size, type. */
export function modelInput(session: DeclaredInputs, name: string | undefined) {
  const input = imageInput(session, name);
  const { dims, type } = input;
  const channelsAt = (at: number): boolean => dims[at] === 1 || dims[at] === 3;
  const layout = dims.length === 4 && !channelsAt(1) && channelsAt(3) ? 'NHWC' : 'NCHW';
  const [height, width] = layout === 'NCHW' ? [dims[2], dims[3]] : [dims[1], dims[2]];
  const channels = layout === 'NCHW' ? dims[1] : dims[3];
  const fixed = typeof height === 'number' && typeof width === 'number' ? { height, width } : undefined;
  const batch = typeof dims[0] === 'number' ? dims[0] : undefined;
  if (dims.length !== 4 || (type !== 'float32' && type !== 'float16' && type !== 'uint8')) {
    throw new TemperError(
      'UNSUPPORTED_GRAPH',
      `${session.label}: input ${input.name} is ${type} [${dims.join(', ')}], expected images: 4 dims of float32, float16 or uint8`,
      {
        hint: 'Name the image input with --input, or export the network with one.',
      },
    );
  }
  return { name: input.name, layout, channels, fixed, batch, type } as const;
}

/** Options that the model contradicts are refused before anything is decoded. */
function assertFits(
  session: DeclaredInputs,
  { name, channels, fixed }: ReturnType<typeof modelInput>,
  made: Transform,
): void {
  const { crop, color } = made;
  const where = `${session.label}: input ${name}`;
  if (fixed && (fixed.height !== crop.height || fixed.width !== crop.width)) {
    throw new TemperError(
      'MISMATCH_INPUT',
      `${where} is fixed to ${fixed.height}x${fixed.width}, --size asks for ${crop.height}x${crop.width}`,
      { hint: 'Leave --size out, or export the model with dynamic height and width.' },
    );
  }
  const given = color === 'grey' ? 1 : 3;
  if (typeof channels === 'number' && channels !== given) {
    throw new TemperError('MISMATCH_INPUT', `${where} takes ${channels} channels, ${color} images have ${given}`, {
      hint:
        channels === 1 || channels === 3
          ? `Use --color ${channels === 1 ? 'grey' : 'rgb'}, or leave it out.`
          : 'Models of 1 or 3 channels take images; for others give network input as a float32 .npy array.',
    });
  }
}

/** The options that give a transform, for a model of any layout and type. */
export function transformArguments(transform: Transform): TransformArguments {
  const { crop, resize, resizeRule, interpolation, mean, std, color, orientation } = transform;
  return {
    preset: 'none',
    size: `${crop.height}x${crop.width}`,
    resize: String(Math.min(resize.height, resize.width)),
    'resize-rule': resizeRule,
    interpolation,
    ...(mean.length > 0 ? { mean: mean.join(','), std: std.join(',') } : {}),
    color,
    orientation,
  };
}

/** Transform options that were given. */
export function givenTransformOptions(args: TransformArguments): string[] {
  return Object.keys(TRANSFORM).filter((option) => args[option as keyof typeof TRANSFORM] !== undefined);
}

/**
 * The transform of model i of n: the options, completed by what the model says.
 * @throws TemperError USAGE, UNSUPPORTED_GRAPH, MISMATCH_INPUT
 */
export function transformFor(
  args: TransformArguments,
  session: DeclaredInputs,
  inputName: string | undefined,
  i: number,
  n: number,
): Transform {
  const model = modelInput(session, inputName);
  const get = (option: keyof typeof TRANSFORM): string | undefined => valueFor(args, option, i, n);
  const color = get('color') ?? (model.channels === 1 ? 'grey' : 'rgb');
  const options = {
    preset: get('preset'),
    size: size(get('size')) ?? model.fixed,
    resize: number('resize', get('resize')),
    cropRatio: number('crop-ratio', get('crop-ratio')),
    resizeRule: get('resize-rule'),
    interpolation: get('interpolation'),
    mean: numbers('mean', get('mean')),
    std: numbers('std', get('std')),
    color,
    orientation: get('orientation'),
    layout: model.layout,
    dtype: model.type,
  };
  if (options.preset === 'none' && options.size === undefined) {
    throw new TemperError(
      'USAGE',
      `${session.label}: --preset none has no size of its own, and the model is not fixed to one`,
      {
        hint: 'Give --size.',
      },
    );
  }
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const transform = resolveTransform(given as TransformOptions);
  assertFits(session, model, transform);
  return transform;
}
