import { TemperError } from '../core/index.ts';
import type { ChosenData, Transform } from '../data/index.ts';
import { pictureNotes } from '../evaluate/index.ts';
import { openModel } from '../onnx/index.ts';
import {
  assertLabels,
  type DeclaredInputs,
  declaredInputs,
  type ModelClasses,
  modelInput,
  sharedNames,
  transformsFor,
} from '../signature/index.ts';
import type { Pictures } from './data-facts.ts';
import { type Facts, fact, type Problem, problemOf } from './inspected.ts';
import type { ModelChoice } from './model.ts';

interface Fit {
  readonly facts: Record<string, Facts[string]>;
  readonly notes: string[];
  readonly contradictions: Problem[];
}

/** Holds one thing against the other: what does not fit is a contradiction, what cannot be asked a note. */
function hold(fit: Fit, name: string, source: string, ask: () => string): void {
  try {
    fit.facts[name] = fact(ask(), source);
  } catch (error) {
    if (!(error instanceof TemperError)) throw error;
    if (error.code === 'USAGE' || error.code.startsWith('UNSUPPORTED')) fit.notes.push(error.message);
    else {
      fit.facts[name] = fact('no', source);
      fit.contradictions.push(problemOf(error));
    }
  }
}

/** How the labels were found to fit, in words. @throws TemperError as assertLabels */
function labelsText(chosen: ChosenData, classes: ModelClasses, notes: string[]): string {
  const { dataset } = chosen;
  assertLabels(dataset, classes);
  const count =
    classes.count === undefined ? 'the file leaves the number of classes open' : `of ${classes.count} classes`;
  if (!dataset.classes) return `as indices, ${count}`;
  if (!classes.names) return `as many names, ${count}; the model names none`;
  const shared = sharedNames(dataset.classes, classes.names.value);
  if (shared > 0) return `${shared} names are of the same class in both, ${count}`;
  notes.push(`${dataset.source} and ${classes.names.source} have no class name in common`);
  return `no name in common, ${count}`;
}

/** Numbers that are ready for the network have the dims that it takes. @throws TemperError MISMATCH_INPUT */
function readyText(model: DeclaredInputs, dims: readonly number[], input: string | undefined): string {
  const { name } = modelInput(model, input);
  const declared = model.inputs.find((one) => one.name === name)?.dims.slice(1) ?? [];
  const differs = declared.some((dim, i) => typeof dim === 'number' && dim !== dims[i]);
  if (!differs && declared.length === dims.length) return `numbers ready for the network, ${dims.join('x')}`;
  const what = `${model.label}: input ${name} takes [${declared.join(',')}], the data has [${dims.join(',')}]`;
  throw new TemperError('MISMATCH_INPUT', what, { hint: 'Save the array with the dims that the network takes.' });
}

/** How pictures come to the network's input. @throws TemperError as transformsFor */
function picturesText(
  model: DeclaredInputs,
  chosen: ChosenData,
  pictures: Pictures,
  choice: ModelChoice,
  notes: string[],
): string {
  if (pictures.dims) return readyText(model, pictures.dims, choice.input);
  const transforms = transformsFor([model], chosen, choice, () => undefined).filter(
    (one): one is Transform => one !== undefined,
  );
  const odd = pictureNotes(pictures.sizes, transforms);
  notes.push(...odd);
  return odd.length === 0 ? 'yes' : 'doubtful';
}

/** Whether a data set's labels and pictures fit a model: by the checks that jobs make. */
export function fitOf(
  path: string,
  classes: ModelClasses | undefined,
  chosen: ChosenData,
  pictures: Pictures,
  choice: ModelChoice,
): Fit {
  const fit: Fit = { facts: {}, notes: [], contradictions: [] };
  const { source, labelled } = chosen.dataset;
  if (labelled && classes) hold(fit, 'labels_fit', source, () => labelsText(chosen, classes, fit.notes));
  const model = openModel(path);
  try {
    const declared = declaredInputs(model);
    hold(fit, 'pictures_fit', source, () => picturesText(declared, chosen, pictures, choice, fit.notes));
  } finally {
    model.close();
  }
  return fit;
}
