import { statSync } from 'node:fs';
import { type Control, controlOf, EXIT_CODES, type JobControl, readError, TemperError } from '../core/index.ts';
import type { DataOptions } from '../data/index.ts';
import { type PerModel, type TransformChoice, valueFor } from '../signature/index.ts';
import { isCheckpoint, type StateChoice, type TemplateOptions } from '../snapshots/index.ts';
import { inspectData, type OpenedData } from './data-file.ts';
import { describeFile } from './file.ts';
import { fitOf } from './fit.ts';
import { describeFolder } from './folder.ts';
import { type Described, type InspectedFile, type Problem, problemOf } from './inspected.ts';
import type { ModelChoice } from './model.ts';
import { describeMap, type MapOptions } from './state-map.ts';

/** What `inspect` looks at. */
export interface InspectOptions extends TemplateOptions {
  /** Files and folders of any kind. */
  readonly files: readonly string[];
  /** Images whose labels and sizes are held against every model. */
  readonly data?: DataOptions | undefined;
  /** From an image to a network's input: for all files, or one for each. @default as jobs take it */
  readonly transform?: PerModel<TransformChoice> | undefined;
  /** Which weights of training checkpoints go into `template`: a rule, or a key of the file. @default 'auto' */
  readonly state?: StateChoice | undefined;
  /** The image input, where a model has several. */
  readonly input?: string | undefined;
  /** The class output, where a model has several. */
  readonly output?: string | undefined;
}

export interface InspectionRecord {
  readonly files: readonly InspectedFile[];
  /** The data set, looked at as a file is; absent where none is named. */
  readonly data: InspectedFile | undefined;
  /** 0; 1 for a contradiction; else the highest of those that the errors have. */
  readonly exitCode: number;
}

const unique = <T>(items: readonly T[]): T[] => [
  ...new Map(items.map((item) => [JSON.stringify(item), item])).values(),
];

function inspected(file: string, bytes: number | null, found: Described): InspectedFile {
  return {
    file,
    kind: found.kind,
    is: found.is,
    bytes,
    facts: found.facts ?? {},
    tensors: found.tensors ?? [],
    map: found.map ?? [],
    // The file is named above.
    notes: unique(
      (found.notes ?? []).map((text) => (text.startsWith(`${file}: `) ? text.slice(file.length + 2) : text)),
    ),
    contradictions: unique(found.contradictions ?? []),
    error: found.error ?? null,
  };
}

/** A file that could not be read as what it is. */
function broken(file: string, error: unknown): InspectedFile {
  if (!(error instanceof TemperError)) throw error;
  return inspected(file, null, { kind: 'unknown', is: 'cannot be read', error: problemOf(error) });
}

/** A folder or a file. @throws TemperError INPUT_*, FORMAT_* */
async function describe(
  path: string,
  choice: ModelChoice,
  control: Control,
): Promise<Described & { readonly bytes: number | null }> {
  let folder: boolean;
  try {
    folder = statSync(path).isDirectory();
  } catch (error) {
    throw readError(path, error);
  }
  return folder ? { ...(await describeFolder(path, control)), bytes: null } : describeFile(path, choice, control);
}

/** What was found of a checkpoint, and the map into a template. */
async function withMap<T extends Described>(path: string, found: T, options: MapOptions): Promise<T> {
  if (found.error !== undefined || !isCheckpoint(path)) return found;
  const { facts, notes = [], contradictions = [], map } = await describeMap(path, options);
  return {
    ...found,
    facts: { ...found.facts, ...facts },
    map,
    notes: [...(found.notes ?? []), ...notes],
    contradictions: [...(found.contradictions ?? []), ...contradictions],
  };
}

async function inspectFile(
  path: string,
  choice: ModelChoice,
  into: MapOptions | undefined,
  data: OpenedData | undefined,
  control: Control,
): Promise<InspectedFile> {
  try {
    const described = await describe(path, choice, control);
    const found = into ? await withMap(path, described, into) : described;
    const { bytes, facts, notes = [], contradictions = [] } = found;
    if (!data || found.kind !== 'onnx') return inspected(path, bytes, found);
    const fit = fitOf(path, found.classes, data.chosen, data.pictures, choice);
    return inspected(path, bytes, {
      ...found,
      facts: { ...facts, ...fit.facts },
      notes: [...notes, ...fit.notes],
      contradictions: [...contradictions, ...fit.contradictions],
    });
  } catch (error) {
    return broken(path, error);
  }
}

const codeOf = ({ code }: Problem): number => EXIT_CODES[code];

function exitCodeOf(all: readonly InspectedFile[]): number {
  return all.reduce((highest, { error, contradictions }) => {
    const own = error ? codeOf(error) : contradictions.length > 0 ? 1 : 0;
    return Math.max(highest, own);
  }, 0);
}

/** @throws TemperError USAGE for options of maps where there is nothing to map */
function checkTemplate({ files, template, templateOf, state }: InspectOptions): void {
  const [idle] = Object.entries({ templateOf, state }).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (template === undefined && idle !== undefined)
    throw new TemperError('USAGE', `\`${idle}\` has no use without \`template\``, {
      hint: 'Give an ONNX export: `template` model.onnx.',
    });
  if (template !== undefined && !files.some(isCheckpoint))
    throw new TemperError('USAGE', '`template` is for training checkpoints, and none is named', {
      hint: 'Name a checkpoint of the network.',
    });
}

/**
 * Says what files and folders are: of a model what it takes and gives, each fact with its source, by the reading that all jobs
 * use; of anything else what it is. Nothing is run. What is damaged or cannot be read is told in its place, and the others are
 * shown. With `data` the labels and the pictures are held against every model; with `template` every checkpoint is held against it.
 * Memory: the structure of one model, the table of the data, the headers of 500 pictures.
 * @returns facts by name (docs/columns.md), contradictions with both sources, and the exit code that follows
 * @throws TemperError USAGE if nothing is named; the signal's reason
 * @example
 * const { files } = await inspect({ files: ['run/epoch-3.onnx'], data: { source: 'val/' } });
 * for (const { file, is, facts } of files) console.log(file, is, facts.output_kind?.value, facts.labels_fit?.value);
 */
export async function inspect(options: InspectOptions, control: JobControl = {}): Promise<InspectionRecord> {
  const { files, data, input, output, transform = {}, template, templateOf, state } = options;
  const watched = controlOf(control);
  if (files.length === 0 && data === undefined) {
    throw new TemperError('USAGE', 'no file is named', { hint: 'Name files or folders.' });
  }
  const into = template === undefined ? undefined : { template, templateOf, state };
  checkTemplate(options);
  let opened: OpenedData | undefined;
  let dataFile: InspectedFile | undefined;
  if (data) {
    try {
      opened = await inspectData(data, watched);
      dataFile = inspected(data.source, null, opened.described);
    } catch (error) {
      dataFile = broken(data.source, error);
    }
  }
  try {
    const found: InspectedFile[] = [];
    for (const [i, path] of files.entries()) {
      watched.signal.throwIfAborted();
      const choice = { input, output, transform: valueFor(transform, i, files.length, 'transform') };
      found.push(await inspectFile(path, choice, into, opened, watched));
    }
    return { files: found, data: dataFile, exitCode: exitCodeOf(dataFile ? [...found, dataFile] : found) };
  } finally {
    await opened?.chosen.dataset.close();
  }
}
