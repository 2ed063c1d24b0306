import { TemperError } from '../core/index.ts';
import type { Dataset } from '../data/index.ts';
import type { Model } from '../onnx/index.ts';
import type { Fact } from './fact.ts';
import { modelFacts } from './model-facts.ts';
import { outputName } from './pick-value.ts';

/** What is known of a model's classes. */
export interface ModelClasses {
  /** What messages call the model. */
  readonly label: string;
  /** Undefined where the file leaves the number open: then the first batch tells. */
  readonly count: number | undefined;
  /** Names by class, where the file or one beside it has them. */
  readonly names?: Fact<readonly string[]> | undefined;
}

interface LabelRules {
  /** The classes of the model that are scored, where labels are places among them. */
  readonly places?: readonly number[] | undefined;
  /** The model's classes were matched with the data's by name: how names are numbered does not matter. */
  readonly matched?: boolean | undefined;
}

const some = (names: readonly string[]): string => names.slice(0, 3).join(', ') + (names.length > 3 ? ', …' : '');

/**
 * Folders that are numbers say two things: the place in text order (torchvision), and the number.
 * @throws TemperError MISMATCH_VALUE with both readings
 */
function assertNumbering({ source, classes = [], classesFrom }: Dataset): void {
  if (classesFrom !== 'names' || !classes.every((name) => /^\d+$/.test(name))) return;
  const at = classes.findIndex((name, index) => Number(name) !== index);
  if (at < 0) return;
  const what = `class folders are whole numbers (${some(classes)}): as text, folder ${classes[at]} would be class ${at}; as a number, class ${Number(classes[at])}`;
  throw new TemperError('MISMATCH_VALUE', `${source}: ${what}`, {
    hint: 'Say which: `classes` numeric (the names are the indices), `classes` sorted (text order, as torchvision), or `classes` FILE.',
    details: { path: source, folder: classes[at], sorted: at, numeric: Number(classes[at]) },
  });
}

/** With one name missing, every label after it would be another class. @throws TemperError MISMATCH_VALUE */
function assertCount({ source, classes, classesFrom }: Dataset, { label, count }: ModelClasses, places?: number): void {
  const expected = places ?? count;
  if (!classes || classesFrom === 'map' || expected === undefined || classes.length === expected) return;
  const has =
    places === undefined ? `the model has ${count} classes` : `${places} classes are scored (\`validClasses\`)`;
  throw new TemperError(
    'MISMATCH_VALUE',
    `${source}: ${classes.length} class names (${some(classes)}), but ${has}: ${label}`,
    {
      hint: "Say with `classes` FILE which index each name has in the model's output.",
      details: { path: source, model: label, found: classes.length, expected },
    },
  );
}

/** Names as people write them apart: case, blanks, underscores and hyphens do not count. */
const plain = (name: string): string =>
  name
    .toLowerCase()
    .replace(/[\s_-]+/g, ' ')
    .trim();

/** How many names of one list the other has too, in any order. */
export function sharedNames(names: readonly string[], others: readonly string[]): number {
  const known = new Set(others.map(plain));
  return names.filter((name) => known.has(plain(name))).length;
}

/** By each name, its place in a list that has it once; undefined where it is not there, or twice (ImageNet has two cranes). */
export function placesOf(names: readonly string[], list: readonly string[]): (number | undefined)[] {
  const known = new Map<string, number | undefined>();
  for (const [index, name] of list.entries()) known.set(plain(name), known.has(plain(name)) ? undefined : index);
  return names.map((name) => known.get(plain(name)));
}

/**
 * The data's names against the model's: a name that both have must be the same class. Names that only one has say nothing.
 * @throws TemperError MISMATCH_VALUE naming both sources
 */
function assertNames(
  { source, classes = [], classesFrom }: Dataset,
  model: ModelClasses,
  places?: readonly number[],
): void {
  if (!model.names || classesFrom === 'map' || classesFrom === 'sorted') return;
  const known = new Map(model.names.value.map((name, index) => [plain(name), index]));
  const classOf = (index: number): number => places?.[index] ?? index;
  const at = classes.findIndex((name, index) => (known.get(plain(name)) ?? classOf(index)) !== classOf(index));
  if (at < 0) return;
  const [name, found] = [classes[at] as string, known.get(plain(classes[at] as string)) as number];
  const what = `${source}: class ${classOf(at)} is ${name}, but ${model.names.source} says that ${name} is class ${found}`;
  throw new TemperError('MISMATCH_VALUE', `${model.label}: ${what}`, {
    hint: 'Say which index each name has with `classes` FILE; `classes` sorted keeps to the data.',
    details: { path: source, name, data: classOf(at), model: found },
  });
}

/**
 * Labels as places in a list of classes that is not in order: the list counts by its lines, folders by their text. Only names that
 * model and data both have tell that they mean the same.
 * @throws TemperError MISMATCH_VALUE
 */
function assertPlaces(
  { source, classes = [], classesFrom }: Dataset,
  model: ModelClasses,
  places: readonly number[],
): void {
  const at = places.findIndex((place, i) => i > 0 && place < (places[i - 1] as number));
  if (at < 0 || classesFrom !== 'names') return;
  const known = new Set(model.names?.value.map(plain));
  if (classes.every((name) => known.has(plain(name)))) return;
  const what = `${source}: class names are numbered as text, but \`validClasses\` is not in order (${places[at - 1]} before ${places[at]}): ${classes[at]} may be class ${places[at]} or ${places.toSorted((a, b) => a - b)[at]}`;
  throw new TemperError('MISMATCH_VALUE', what, {
    hint: 'Sort `validClasses` if the folders are in the order of the classes; else say with `classes` FILE which index each name has.',
    details: { path: source, model: model.label, name: classes[at] },
  });
}

/** @throws TemperError MISMATCH_VALUE for a label that is no class of the model */
function assertRange(table: Dataset, { label: model }: ModelClasses, count: number): void {
  for (let row = 0; table.labelled && row < table.length; row++) {
    const label = table.sample(row).label as number;
    if (label < count) continue;
    const what = `${table.describeRow(row)}: label ${label}, but the model has classes 0 to ${count - 1}: ${model}`;
    throw new TemperError('MISMATCH_VALUE', `${table.source}: ${what}`, {
      hint: 'Use the labels that the model was trained with, or translate them with `classes` FILE.',
      details: { path: table.source, row, label, model },
    });
  }
}

/**
 * The one check of a data set's labels against a model, for every job that has both: how names were numbered, how many there
 * are, what the model calls its classes, and that each label is one of them. Cheap enough to be asked again when the first batch
 * has told the number of classes.
 * @throws TemperError MISMATCH_VALUE naming both sources
 */
export function assertLabels(table: Dataset, model: ModelClasses, { places, matched = false }: LabelRules = {}): void {
  if (!table.labelled) return;
  if (!matched) {
    assertNumbering(table);
    assertCount(table, model, places?.length);
    assertNames(table, model, places);
    if (places) assertPlaces(table, model, places);
  }
  if (model.count !== undefined && !places) assertRange(table, model, model.count);
}

/** Scores of one image: so many as its dims say, those of 1 aside; undefined where they are open, or no row of scores. */
export function scoresOf(dims: readonly (number | string)[]): number | undefined {
  const rest = dims.slice(1).filter((dim) => dim !== 1);
  if (rest.length > 1 || dims.length === 0) return undefined;
  return rest.length === 0 ? 1 : typeof rest[0] === 'number' ? rest[0] : undefined;
}

/** Classes behind so many scores: a single one is the score of class 1 against class 0. */
export const classesOf = (scores: number): number => Math.max(2, scores);

/** What a file says of its classes. @param output its name, where there are several @throws TemperError USAGE */
export function declaredClasses(model: Model, output: string | undefined): ModelClasses {
  const name = outputName(model, output);
  const dims = model.record.graph.outputs.find((one) => one.name === name)?.tensorType?.dims;
  const scores = dims && scoresOf(dims);
  const names = modelFacts(model, model.path).classNames;
  return { label: model.path, count: scores === undefined ? undefined : classesOf(scores), names };
}
