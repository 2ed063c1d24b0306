import { z } from 'zod';
import { closest, TemperError, version } from '../core/index.ts';
import { camelKeys, snakeKey, snakeKeys } from './key-case.ts';
import { readYaml, yamlText } from './recipe-yaml.ts';
import { SETTINGS, type Settings } from './settings.ts';

/** Of the file's own form. */
const FORMAT = 1;

const hash = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hexadecimal digits');
const images = z.int().min(0);
const set = z.strictObject({ tableSha256: hash, images });
const part = z.strictObject({ images, rowsSha256: hash });

/** What a run found and decided. Read again, hashes must hold, and a latency that chose is not measured again. */
const MADE = z.strictObject({
  snapshots: z.array(z.strictObject({ file: z.string(), sha256: hash })),
  train: set.optional(),
  val: set,
  test: set.optional(),
  chooses: part,
  reports: part,
  preprocessing: z.record(z.string(), z.unknown()).nullable(),
  trainSize: SETTINGS.shape.trainSize,
  steps: z.array(z.record(z.string(), z.unknown())),
  latencyRatios: z.array(z.strictObject({ row: z.string(), ratio: z.number().positive() })).optional(),
  provider: z.string(),
  onnxruntime: z.string(),
  modelSha256: hash,
});

const RECIPE = z.strictObject({
  recipe: z.literal(FORMAT),
  version: z.string(),
  ...SETTINGS.shape,
  made: MADE.optional(),
});

export type Made = z.output<typeof MADE>;

/** A recipe as it is read: settings with their defaults, and what the run that wrote it found. */
export interface Recipe {
  readonly settings: Settings;
  readonly made: Made | undefined;
  /** Of onnx-temper that wrote it. */
  readonly version: string;
}

type Shape = Readonly<Record<string, z.ZodType>>;

/** The keys of the mapping at a path: what an unknown key may have been meant as. */
function keysAt(path: readonly PropertyKey[]): string[] {
  const shapeOf = (schema: z.ZodType | undefined): Shape | undefined => {
    if (schema instanceof z.ZodObject) return schema.shape as Shape;
    if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodNullable)
      return shapeOf(schema.unwrap() as z.ZodType);
    if (schema instanceof z.ZodArray) return shapeOf(schema.element as z.ZodType);
    return undefined;
  };
  let shape = shapeOf(RECIPE);
  for (const key of path) if (typeof key === 'string') shape = shapeOf(shape?.[key]);
  return Object.keys(shape ?? {});
}

const MARK = /^\?/;
const fileKey = (key: PropertyKey): string =>
  typeof key === 'number' ? `[${key}]` : snakeKey(String(key).replace(MARK, ''));
const placeOf = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (text, key) =>
      typeof key === 'number' ? `${text}${fileKey(key)}` : text ? `${text}.${fileKey(key)}` : fileKey(key),
    '',
  );

function valueAt(document: unknown, path: readonly PropertyKey[]): unknown {
  let value = document;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

const MOST_SHOWN = 80;
const shown = (value: unknown): string => {
  const text = value === undefined ? 'nothing' : JSON.stringify(snakeKeys(value));
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
};

/** What zod calls things, as YAML does. */
const PLAIN: Readonly<Record<string, string>> = {
  object: 'a mapping (name: value)',
  array: 'a list',
  boolean: 'true or false',
  int: 'a whole number',
  number: 'a number',
  string: 'text',
  record: 'a mapping (name: value)',
};

const EXPECTED: readonly (readonly [RegExp, string])[] = [
  [/^Invalid input: expected (.*?),? received .*$/, '$1'],
  [/^Invalid input: expected (.*)$/, '$1'],
  [/^Invalid option: expected one of (.*)$/, 'one of $1'],
  [/^Too (?:small|big): expected (?:\w+ )?to (?:be|have) (.*)$/, '$1'],
  [/^Invalid input$/, 'another form'],
];
const expectedBy = (message: string): string => {
  const [pattern, text] = EXPECTED.find(([known]) => known.test(message)) ?? [];
  const expected = (pattern && text ? message.replace(pattern, text) : message)
    .replace(/^expected /, '')
    .replaceAll('"', '');
  return PLAIN[expected] ?? expected;
};

/** Where, what was found, what was expected; of an unknown key, which one is near. */
function wrong(source: string, document: unknown, { issues }: z.ZodError): TemperError {
  const [first] = issues;
  if (!first) throw new Error('an error without an issue');
  if (first.code === 'unrecognized_keys') {
    const key = fileKey(first.keys[0] as string);
    const place = placeOf([...first.path, first.keys[0] as string]);
    const near = closest(key, keysAt(first.path).map(snakeKey));
    return new TemperError('FORMAT_MALFORMED', `${source}: ${place}: no such key`, {
      hint: near ? `Did you mean ${near}?` : `Known here: ${keysAt(first.path).map(snakeKey).join(', ')}.`,
      details: { path: source, key: place },
    });
  }
  const place = placeOf(first.path);
  const found = shown(valueAt(document, first.path));
  const where = place === '' ? source : `${source}: ${place}`;
  return new TemperError('FORMAT_MALFORMED', `${where}: found ${found}, expected ${expectedBy(first.message)}`, {
    hint: 'docs/finish.md lists the keys of a recipe; one that finish wrote has them all.',
    details: { path: source, key: place },
  });
}

/** @throws TemperError FORMAT_MALFORMED with the key's path, what was found, and what was expected */
export function parseRecipe(source: string, value: unknown): Recipe {
  const document = camelKeys(value);
  const parsed = RECIPE.safeParse(document);
  if (!parsed.success) throw wrong(source, document, parsed.error);
  const { recipe: _, version: writtenBy, made, ...settings } = parsed.data;
  return { settings, made, version: writtenBy };
}

/** @throws TemperError INPUT_*, FORMAT_* */
export const readRecipe = (path: string): Recipe => parseRecipe(path, readYaml(path));

/** The settings as a file has them, for hashes too. */
export const settingsDocument = (settings: Settings): unknown =>
  snakeKeys({ recipe: FORMAT, version, ...orderedSettings(settings) });

/** In the order of the schema, so that equal settings are equal texts; what is not set is left out. */
function orderedSettings(settings: Settings): Readonly<Record<string, unknown>> {
  const all: Readonly<Record<string, unknown>> = settings;
  return Object.fromEntries(
    Object.keys(SETTINGS.shape).flatMap((key) => (all[key] === undefined ? [] : [[key, withoutUndefined(all[key])]])),
  );
}

function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, member]) => (member === undefined ? [] : [[key, withoutUndefined(member)]])),
  );
}

/** The recipe of a run: run again, it gives these bytes again. */
export function recipeText(settings: Settings, made: Made): string {
  const document = snakeKeys({ recipe: FORMAT, version, ...orderedSettings(settings), made: withoutUndefined(made) });
  return `# onnx-temper finish --recipe THIS_FILE --out-dir DIR runs it again.\n${yamlText(document)}`;
}

/** Settings from values that may be none: what is missing has its default. @throws TemperError USAGE, options named in camelCase */
export function completeSettings(given: unknown): Settings {
  const parsed = SETTINGS.safeParse(given);
  if (parsed.success) return parsed.data;
  const [first] = parsed.error.issues;
  const [option = 'val', ...inner] = (first?.path ?? []).map(String);
  const found = shown(valueAt(given, first?.path ?? []));
  const name = [option, ...inner.filter((key) => Number.isNaN(Number(key)))].join('.');
  throw new TemperError('USAGE', `\`${name}\`: found ${found}, expected ${expectedBy(first?.message ?? '')}`, {
    hint: 'See docs/finish.md for what it takes.',
    details: { option: name },
  });
}
