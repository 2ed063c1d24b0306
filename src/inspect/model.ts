import { TemperError } from '../core/index.ts';
import { dataTypeName, type Model, openModel } from '../onnx/index.ts';
import { graphView, inferShapes, tooLargeWindow } from '../shapes/index.ts';
import {
  declaredInputs,
  foundSources,
  imageDims,
  inputReading,
  isTensorType,
  type ModelClasses,
  type ModelInput,
  modelFacts,
  modelInput,
  outputReading,
  pickValue,
  type TransformChoice,
  transformFor,
  transformReading,
  type ValueInfo,
} from '../signature/index.ts';
import { externalFacts, headFacts, normFacts, otherFacts, weightFacts } from './graph-facts.ts';
import { type Described, type Facts, fact, factsOf, type Problem, problemOf } from './inspected.ts';

/** How a model is to be read, where there is a choice. */
export interface ModelChoice {
  /** The image input, where a model has several. */
  readonly input?: string | undefined;
  /** The class output, where a model has several. */
  readonly output?: string | undefined;
  readonly transform?: TransformChoice | undefined;
}

/** Sides at which an open size is tried. */
const TRIED = [16, 20, 24, 28, 32, 48, 64, 96, 128, 160, 192, 224, 256, 288, 299, 320, 384, 448, 512];

/** The sizes that a network takes, as far as shapes tell: nothing is run. */
function sizesFact(model: Model, input: ModelInput): Facts {
  if (input.fixed) return {};
  const view = graphView(model);
  const wrong = (side: number): string | undefined => {
    const dims = imageDims(input, input.batch ?? 1, { height: side, width: side });
    const graph = inferShapes(view, { [input.name]: dims });
    return graph.mismatch ? `${graph.mismatch.node.opType}: ${graph.mismatch.message}` : tooLargeWindow(graph);
  };
  const tried = TRIED.map((side) => ({ side, why: wrong(side) }));
  const taken = tried.filter(({ why }) => why === undefined).map(({ side }) => String(side));
  const range = `${TRIED[0]} to ${TRIED.at(-1)}`;
  const first = tried.find(({ why }) => why !== undefined);
  const source = first ? `shapes of the graph; at ${first.side} ${first.why}` : 'shapes of the graph';
  const value = taken.length === TRIED.length ? `${range}, as far as shapes tell` : taken;
  return { sizes: fact(value.length === 0 ? `none of ${range}` : value, source) };
}

/** Outputs that can be scores: texts, maps and sequences beside them do not count, as for a session. */
function scoreOutputs({ record }: Model): Pick<ValueInfo, 'name' | 'dims'>[] {
  return record.graph.outputs.flatMap(({ name, tensorType }) =>
    tensorType && isTensorType(dataTypeName(tensorType.elemType)) ? [{ name, dims: tensorType.dims ?? [] }] : [],
  );
}

interface Collected {
  readonly facts: Record<string, Facts[string]>;
  readonly notes: string[];
  readonly contradictions: Problem[];
  error: Problem | undefined;
}

/** Adds facts; what a damaged file breaks of them is the error, and the others stay. */
function add(to: Collected, read: () => Facts): void {
  try {
    Object.assign(to.facts, read());
  } catch (error) {
    if (!(error instanceof TemperError)) throw error;
    to.error ??= problemOf(error);
  }
}

/** Whether the user says how images come in: then what is wrong with it is no note. */
const isAsked = (input: string | undefined, transform: TransformChoice): boolean =>
  input !== undefined || Object.values(transform).some((value) => value !== undefined);

/** The image input and the transform; what is no classifier of images is described all the same. */
function addInput(to: Collected, model: Model, { input: name, transform = {} }: ModelChoice): ModelInput | undefined {
  const declared = declaredInputs(model);
  const listed = declared.inputs.map(
    ({ name: input, type, dims }) => `${input}: ${type} [${dims.map((dim) => (dim === '' ? '?' : dim)).join(',')}]`,
  );
  try {
    const input = modelInput(declared, name);
    Object.assign(to.facts, inputReading(declared, name));
    add(to, () => sizesFact(model, input));
    const whole = transformFor(transform, declared, name);
    Object.assign(
      to.facts,
      transformReading(transform, whole, input.fixed !== undefined, foundSources(transform, declared, name)),
    );
    return input;
  } catch (error) {
    if (!(error instanceof TemperError)) throw error;
    const what =
      'input' in to.facts
        ? `no transform without options: ${error.message.replace(/^transform: /, '')}`
        : error.message;
    if (error.code.startsWith('MISMATCH')) to.contradictions.push(problemOf(error));
    else if (error.code === 'USAGE' && isAsked(name, transform)) to.error ??= problemOf(error);
    else to.notes.push(what);
    if (!('input' in to.facts) && listed.length > 0) to.facts.inputs = fact(listed, 'the graph');
    return undefined;
  }
}

/** The class output. @returns undefined where it is not named and not the only one */
function addOutput(to: Collected, model: Model, { output: name }: ModelChoice): ModelClasses | undefined {
  const outputs = scoreOutputs(model);
  if (model.record.graph.outputs.length > 1) {
    to.facts.outputs = fact(
      model.record.graph.outputs.map((one) => one.name),
      'the graph',
    );
  }
  if (name === undefined && outputs.length !== 1) {
    const found = outputs.map((one) => one.name).join(', ') || 'none';
    to.notes.push(`outputs that are tensors: ${found}; name the classes with \`output\``);
    return undefined;
  }
  const output = pickValue(model.path, 'output', outputs, name);
  const reading = outputReading(modelFacts(model, model.path), output, name !== undefined);
  Object.assign(to.facts, factsOf({ ...reading }));
  if (!reading.output_kind) to.notes.push('the graph does not tell what the outputs are: their values will');
  return { label: model.path, count: reading.n_classes?.value, names: reading.class_names };
}

/** Names for another number of classes than the output has. */
function namesNote({ count, names }: ModelClasses): string[] {
  if (!names || count === undefined || names.value.length === count) return [];
  return [`${names.source} names ${names.value.length} classes, the output has ${count}`];
}

/** What an ONNX model is: all that its file says, without running it. @throws TemperError INPUT_*, FORMAT_* */
export function describeModel(path: string, choice: ModelChoice): Described {
  const model = openModel(path);
  try {
    const found: Collected = { facts: {}, notes: [], contradictions: [], error: undefined };
    const input = addInput(found, model, choice);
    let classes: ModelClasses | undefined;
    add(found, () => {
      classes = addOutput(found, model, choice);
      return {};
    });
    if (classes) found.notes.push(...namesNote(classes));
    const note = (text: string): void => void found.notes.push(text);
    add(found, () => normFacts(model, note));
    add(found, () => otherFacts(model, input?.batch));
    add(found, () => weightFacts(model));
    add(found, () => {
      const { facts, error } = externalFacts(model);
      found.error ??= error;
      return facts;
    });
    add(found, () => headFacts(model));
    return { kind: 'onnx', is: 'is an ONNX model', ...found, classes };
  } finally {
    model.close();
  }
}
