import { TemperError } from '../core/index.ts';
import {
  assertUnitScale,
  CHANNELS,
  type ChosenData,
  type Interpolation,
  resolveTransform,
  type Size,
  sizeText,
  type Transform,
  type TransformOptions,
} from '../data/index.ts';
import { colorFor, type ModelInput, modelInput } from './model-input.ts';
import { type Found, mergeFound } from './preprocessing/merge.ts';
import type { DeclaredInputs } from './value-info.ts';

/** From an image to a network's input: options to complete, or a whole transform, which is passed as it is. */
export type TransformChoice = TransformOptions | Transform;

/** One for all models, or one for each, in their order. */
export type PerModel<T> = T | readonly T[];

const isComplete = (choice: TransformChoice): choice is Transform => 'crop' in choice;
const isList = <T>(value: PerModel<T>): value is readonly T[] => Array.isArray(value);

/**
 * A choice at another input size. A whole transform keeps its ratio of size and resize target; options keep what
 * they say: a `resize` in pixels stays that.
 * @param cropRatio size over resize target, instead of the choice's
 * @throws TemperError USAGE for a crop ratio that is none
 */
export function choiceAtSize(
  choice: TransformChoice,
  size: number | Size,
  {
    cropRatio,
    interpolation,
  }: { readonly cropRatio?: number | undefined; readonly interpolation?: Interpolation | undefined },
): TransformChoice {
  const filter = interpolation === undefined ? {} : { interpolation };
  if (!isComplete(choice)) return { ...choice, size, ...(cropRatio === undefined ? {} : { cropRatio }), ...filter };
  const { resize, crop } = choice;
  const sides = typeof size === 'number' ? { height: size, width: size } : size;
  const proportional = {
    height: Math.floor((sides.height * resize.height) / crop.height),
    width: Math.floor((sides.width * resize.width) / crop.width),
  };
  return {
    ...choice,
    crop: sides,
    resize: cropRatio === undefined ? proportional : resolveTransform({ size, cropRatio }).resize,
    ...filter,
  };
}

/** The value for model i of n. @param option what messages call it @throws TemperError USAGE for another number of values */
export function valueFor<T>(value: PerModel<T>, i: number, n: number, option: string): T {
  if (!isList(value)) return value;
  if (value.length !== 1 && value.length !== n) {
    throw new TemperError(
      'USAGE',
      `\`${option}\`: ${value.length} values, expected one value, or one for each of ${n} models`,
    );
  }
  return value[value.length === 1 ? 0 : i] as T;
}

/** Options that the model contradicts are refused before anything is decoded. */
function assertFits(label: string, { name, channels, fixed }: ModelInput, { crop, color }: Transform): void {
  const where = `${label}: input ${name}`;
  if (fixed && (fixed.height !== crop.height || fixed.width !== crop.width)) {
    throw new TemperError(
      'MISMATCH_INPUT',
      `${where} is fixed to ${fixed.height}x${fixed.width}, \`size\` asks for ${crop.height}x${crop.width}`,
      { hint: 'Leave `size` out, or export the model with dynamic height and width.' },
    );
  }
  const given = CHANNELS[color];
  if (typeof channels === 'number' && channels !== given) {
    throw new TemperError('MISMATCH_INPUT', `${where} takes ${channels} channels, ${color} images have ${given}`, {
      hint:
        channels === 1 || channels === 3 || channels === 4
          ? `Use \`color\` ${colorFor(channels) ?? 'rgb'}, or leave it out.`
          : 'Models of 1, 3 or 4 channels take images; for others give network input as a float32 .npy array.',
    });
  }
}

/** A whole transform for a network of another layout or type: the pixels stay the same. */
function adapted(transform: Transform, { layout, type }: ModelInput): Transform {
  if (transform.dtype === type) return { ...transform, layout };
  const channels = CHANNELS[transform.color];
  const values = (given: readonly number[], raw: number): readonly number[] =>
    type === 'uint8' ? [] : given.length > 0 ? given : new Array<number>(channels).fill(raw);
  return { ...transform, layout, dtype: type, mean: values(transform.mean, 0), std: values(transform.std, 1) };
}

interface Resolved {
  readonly transform: Transform;
  readonly found: Found;
}

const NOTHING: Found = { transform: {}, sources: [], notes: [] };

/** What files, metadata and the graph say of the fields that no option decides; a preset decides all. */
function foundFor(options: TransformOptions, model: DeclaredInputs, input: ModelInput): Found {
  const facts = options.preset === undefined ? model.facts?.() : undefined;
  if (!facts) return NOTHING;
  const preprocessing = facts.preprocessing({ input: input.name, config: options.config });
  return mergeFound(preprocessing, { label: model.label, options, input });
}

function resolve(choice: TransformOptions, model: DeclaredInputs, input: ModelInput): Resolved {
  const found = foundFor(choice, model, input);
  const size = choice.size ?? input.fixed ?? found.transform.size;
  if (choice.preset === 'none' && size === undefined) {
    throw new TemperError(
      'USAGE',
      `${model.label}: \`preset\` none has no size of its own, and the model is not fixed to one`,
      { hint: 'Give `size`.' },
    );
  }
  const transform = resolveTransform(
    {
      color: colorFor(input.channels) ?? found.transform.color ?? 'rgb',
      ...choice,
      ...(size === undefined ? {} : { size }),
      layout: input.layout,
      dtype: input.type,
    },
    found.transform,
  );
  return { transform, found };
}

/**
 * The transform of a model: each field as the choice says; else as our own record in the file, configuration files beside it and
 * other metadata say, what the graph does by itself taken off; else as torchvision's preset has it.
 * @param inputName the image input, where the model has several
 * @throws TemperError USAGE, UNSUPPORTED_GRAPH, MISMATCH_INPUT, MISMATCH_VALUE where two sources differ; FORMAT_* of a
 * configuration
 */
export function transformFor(choice: TransformChoice, model: DeclaredInputs, inputName: string | undefined): Transform {
  const input = modelInput(model, inputName);
  if (isComplete(choice)) assertUnitScale(choice);
  const transform = isComplete(choice) ? adapted(choice, input) : resolve(choice, model, input).transform;
  assertFits(model.label, input, transform);
  return transform;
}

/** Fields without which a transform is a guess. */
const MATTERS = ['resize', 'interpolation', 'mean', 'std'] as const;

/** Who says what: "size, resize by config.json; mean, std by the graph (Sub, Div)". */
function sourcesText({ sources }: Found): string {
  const bySource = new Map<string, string[]>();
  for (const { field, source } of sources) bySource.set(source, [...(bySource.get(source) ?? []), field]);
  const name = (field: string): string => (field === 'resizeRule' ? 'resize rule' : field);
  return [...bySource].map(([source, fields]) => `${fields.map(name).join(', ')} by ${source}`).join('; ');
}

/** Who says the fields that no option decides; undefined where nothing is found. */
export function foundSources(
  choice: TransformChoice,
  model: DeclaredInputs,
  inputName: string | undefined,
): string | undefined {
  if (isComplete(choice)) return undefined;
  const found = foundFor(choice, model, modelInput(model, inputName));
  return found.sources.length === 0 ? undefined : sourcesText(found);
}

const isSaid = (choice: TransformOptions, field: (typeof MATTERS)[number]): boolean =>
  choice[field] !== undefined || (field === 'resize' && choice.cropRatio !== undefined);

/**
 * What is said of a transform before the work: where its fields come from, and which of them are torchvision's because nobody says
 * otherwise (a default without a source).
 * @returns nothing where options say something, and nothing else does
 */
export function transformNotes(
  choice: TransformChoice,
  model: DeclaredInputs,
  inputName: string | undefined,
): string[] {
  if (isComplete(choice)) return [];
  const input = modelInput(model, inputName);
  const { transform, found } = resolve(choice, model, input);
  const { resize, interpolation, mean } = transform;
  const sizes = `resize ${Math.min(resize.height, resize.width)}, crop ${sizeText(transform)}`;
  if (found.sources.length === 0) {
    const says = Object.entries(choice).some(([option, value]) => option !== 'size' && value !== undefined);
    const values = mean.length > 0 ? ', ImageNet mean and std' : '';
    if (says) return [...found.notes];
    const preset = `preprocessing: torchvision's preset (${sizes}, ${interpolation}${values}), as no option says otherwise`;
    return [...found.notes, preset];
  }
  const known = new Set(found.sources.map(({ field }) => field));
  const guessed = MATTERS.filter((field) => !known.has(field) && !isSaid(choice, field)).filter(
    (field) => transform.dtype !== 'uint8' || (field !== 'mean' && field !== 'std'),
  );
  const rest = guessed.length > 0 ? `; ${guessed.join(', ')} as torchvision, as nothing says otherwise` : '';
  return [...found.notes, `${model.label}: preprocessing: ${sizes}, ${interpolation}: ${sourcesText(found)}${rest}`];
}

/**
 * One transform per model; none for data that is network input already.
 * @param note told where fields come from, and which are defaults
 * @throws TemperError USAGE, UNSUPPORTED_GRAPH, MISMATCH_INPUT
 */
export function transformsFor(
  models: readonly DeclaredInputs[],
  { dataset }: ChosenData,
  {
    transform = {},
    input,
  }: { readonly transform?: PerModel<TransformChoice> | undefined; readonly input?: string | undefined },
  note: (text: string) => void,
): (Transform | undefined)[] {
  const choiceOf = (i: number): TransformChoice => valueFor(transform, i, models.length, 'transform');
  if (dataset.kind !== 'tensor') {
    const transforms = models.map((model, i) => transformFor(choiceOf(i), model, input));
    for (const text of new Set(models.flatMap((model, i) => transformNotes(choiceOf(i), model, input)))) note(text);
    return transforms;
  }
  for (const [i] of models.entries()) {
    const [given] = Object.entries(choiceOf(i)).find(([, value]) => value !== undefined) ?? [];
    if (given === undefined) continue;
    throw new TemperError('USAGE', `${dataset.source}: numbers ready for the network, \`${given}\` has no use`, {
      hint: 'Leave the transform options out, or name a data set of images.',
    });
  }
  return models.map(() => undefined);
}
