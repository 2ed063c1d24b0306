import { type InputType, type Layout, sizeText, type Transform } from '../data/index.ts';
import type { Model } from '../onnx/index.ts';
import type { Fact } from './fact.ts';
import { classesOf, scoresOf } from './labels.ts';
import { type ModelFacts, modelFacts, noFacts } from './model-facts.ts';
import { declaredInputs, modelInput } from './model-input.ts';
import { foundSources, type TransformChoice } from './model-transform.ts';
import type { OutputKind } from './output-kind.ts';
import { outputName } from './pick-value.ts';
import type { DeclaredInputs, ValueInfo } from './value-info.ts';

/** What a file leaves open. */
const ANY = 'any';

/** What a network takes, as records have it: by the names of columns, each fact with its source. */
interface InputReading {
  readonly input: Fact<string>;
  readonly input_type: Fact<InputType>;
  readonly layout: Fact<Layout>;
  readonly channels: Fact<number | typeof ANY>;
  /** Pixels: N, HxW, or any. */
  readonly size: Fact<number | string>;
  readonly batch: Fact<number | typeof ANY>;
}

/** What it gives; absent where nothing tells. */
interface OutputReading {
  readonly output: Fact<string>;
  readonly output_kind?: Fact<OutputKind> | undefined;
  readonly n_classes?: Fact<number> | undefined;
  readonly class_names?: Fact<readonly string[]> | undefined;
}

/** How a model was read: what a record keeps, so that its numbers can be judged. What a job does not look at is absent. */
export interface ModelReading extends InputReading, Partial<OutputReading> {
  /** In words; absent for numbers that were ready for the network. */
  readonly transform?: Fact<string> | undefined;
}

const shapeText = ({ dims }: Pick<ValueInfo, 'dims'>, kind: 'input' | 'output'): string =>
  `the graph's ${kind}, [${dims.map((dim) => (dim === '' ? '?' : dim)).join(',')}]`;

/** @throws TemperError as modelInput */
export function inputReading(model: DeclaredInputs, name: string | undefined): InputReading {
  const input = modelInput(model, name);
  const { layout, channels, fixed, batch, type } = input;
  const value = model.inputs.find((one) => one.name === input.name) as ValueInfo;
  const source = shapeText(value, 'input');
  const known = typeof channels === 'number';
  return {
    input: { value: input.name, source: name === undefined ? 'the only input of the graph' : '`input`' },
    input_type: { value: type, source },
    layout: { value: layout, source: known ? source : `a default: no dim of ${source} says which are channels` },
    channels: { value: known ? channels : ANY, source },
    size: { value: fixed ? sizeText({ crop: fixed }) : ANY, source },
    batch: { value: batch ?? ANY, source },
  };
}

/** What was found out by running the network, where the file does not tell. */
export interface FoundOutput {
  readonly kind?: Fact<OutputKind> | undefined;
  readonly classes?: Fact<number> | undefined;
}

/** @param named whether the user named the output */
export function outputReading(
  facts: ModelFacts,
  output: Pick<ValueInfo, 'name' | 'dims'>,
  named: boolean,
  found: FoundOutput = {},
): OutputReading {
  const scores = scoresOf(output.dims);
  const declared = scores === undefined ? undefined : { value: classesOf(scores), source: shapeText(output, 'output') };
  return {
    output: { value: output.name, source: named ? '`output`' : 'the only output of the graph' },
    output_kind: found.kind ?? facts.outputKind(output.name),
    n_classes: declared ?? found.classes,
    class_names: facts.classNames,
  };
}

/** A transform in words. */
function describeTransform(transform: Transform): string {
  const { resize, resizeRule, interpolation, color, mean, std } = transform;
  const target = sizeText({ crop: resize });
  const values = mean.length > 0 ? `, mean ${mean.join(' ')}, std ${std.join(' ')}` : '';
  return `resize to ${target} (${resizeRule}, ${interpolation}), crop ${sizeText(transform)}, ${color}${values}`;
}

/** Which part of a transform is whose: the user's options, the graph's size, what was found, a default. */
export function transformReading(
  choice: TransformChoice,
  transform: Transform,
  fixed: boolean,
  found: string | undefined,
): Required<Pick<ModelReading, 'transform'>> {
  const value = describeTransform(transform);
  if ('crop' in choice) return { transform: { value, source: '`transform`, given as a whole' } };
  const given = Object.entries(choice).flatMap(([name, one]) => (one === undefined ? [] : [`\`${name}\``]));
  const size = choice.size === undefined && fixed ? ["the graph's size"] : [];
  const rest =
    choice.preset === undefined ? "a default for the rest: torchvision's preset" : 'its defaults for the rest';
  const said = found === undefined ? [] : [found];
  return { transform: { value, source: [...given, ...size, ...said, rest].join(', ') } };
}

/** What is known of a model when a job reads it. */
export interface ReadModel {
  readonly model: DeclaredInputs;
  /** The user's name of the image input. */
  readonly input: string | undefined;
  /** The class output, and whether the user named it; absent where a job looks at none. */
  readonly output?: (Pick<ValueInfo, 'name' | 'dims'> & { readonly named: boolean }) | undefined;
  readonly facts?: ModelFacts | undefined;
  readonly found?: FoundOutput | undefined;
  /** The transform that images go through, and what the user said of it. */
  readonly transform?: Transform | undefined;
  readonly choice?: TransformChoice | undefined;
}

/** How a job read a model, as plain data. @throws TemperError as modelInput */
export function modelReading(read: ReadModel): ModelReading {
  const { model, input, output, facts = noFacts(undefined), found, transform, choice = {} } = read;
  const fixed = modelInput(model, input).fixed !== undefined;
  return {
    ...inputReading(model, input),
    ...(output && outputReading(facts, output, output.named, found)),
    ...(transform && transformReading(choice, transform, fixed, foundSources(choice, model, input))),
  };
}

/** {@link modelReading} of a file. @throws TemperError USAGE, UNSUPPORTED_GRAPH */
export function fileReading(
  file: Model,
  { input, output }: { readonly input?: string | undefined; readonly output?: string | undefined },
  read: Pick<ReadModel, 'transform' | 'choice'>,
): ModelReading {
  const name = outputName(file, output);
  const dims = file.record.graph.outputs.find((one) => one.name === name)?.tensorType?.dims ?? [];
  const scores = { name, dims, named: output !== undefined };
  return modelReading({
    model: declaredInputs(file),
    input,
    output: scores,
    facts: modelFacts(file, file.path),
    ...read,
  });
}
