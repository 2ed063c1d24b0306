import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { planAverage } from '../average/index.ts';
import { type Control, canonicalHash, compareUtf8, sha256OfFile, TemperError } from '../core/index.ts';
import { type DataOptions, LEAST_TO_SPLIT, type SetPart, type Size, type Transform } from '../data/index.ts';
import { modelFileSha256, openModel } from '../onnx/index.ts';
import {
  assertLabels,
  declaredClasses,
  declaredInputs,
  fileReading,
  type ModelReading,
  modelInput,
  transformFor,
  transformNotes,
} from '../signature/index.ts';
import { isCheckpoint } from '../snapshots/index.ts';
import type { Made } from './recipe.ts';
import type { Settings } from './settings.ts';
import { assertApart, isOnePlace, type KeyedSet, type ReadSet, readParts, type Split, splitOf } from './split.ts';

/** A snapshot, in the order of training. */
interface ReadSnapshot {
  readonly file: string;
  readonly sha256: string;
}

/** What was read before any work: nothing was run, and nothing written. */
export interface ReadRun {
  readonly settings: Settings;
  readonly snapshots: readonly ReadSnapshot[];
  /** Training checkpoints, which go into the template. */
  readonly checkpoints: boolean;
  /** The file that says how images are shown: the last snapshot, or the template. */
  readonly graph: string;
  readonly graphBytes: number;
  /** At the train size; absent for numbers that are ready for the network. */
  readonly transform: Transform | undefined;
  readonly trainSize: number | Size | undefined;
  readonly reading: ModelReading;
  readonly split: Split;
  readonly train: DataOptions | undefined;
  readonly sets: {
    readonly train: ReadSet | undefined;
    readonly val: ReadSet;
    readonly test: ReadSet | undefined;
    readonly choosing: ReadSet;
    readonly selecting: KeyedSet;
    readonly judging: KeyedSet;
    readonly reporting: ReadSet;
  };
}

/** As jobs take them. */
export function snapshotOptions({ inputs }: Settings) {
  const { paths, pattern, state, template, templateOf, order, start, end, every, allowDuplicates } = inputs;
  return { inputs: paths, pattern, state, template, templateOf, order, start, end, every, allowDuplicates };
}

/** Which files, in which order: those of an average of the newest alone, with all that it could have taken. */
async function readSnapshots(settings: Settings, control: Control): Promise<ReadSnapshot[]> {
  const { averages } = await planAverage(
    { ...snapshotOptions(settings), out: 'none' },
    { observer: control, signal: control.signal },
  );
  const files = averages[0]?.inputs.map(({ file }) => file) ?? [];
  const isOnnx = settings.inputs.template === undefined;
  const trained = files.find(isCheckpoint);
  if (isOnnx && trained !== undefined) {
    throw new TemperError('USAGE', `${trained}: is a training checkpoint, which has no graph to run`, {
      hint: 'Give `template` model.onnx: an export of one of the checkpoints, which their averages are put into.',
      details: { path: trained },
    });
  }
  return Promise.all(
    files.map(async (file) => ({ file, sha256: await (isOnnx ? modelFileSha256(file) : snapshotSha256(file)) })),
  );
}

/** A file's hash; of a folder of shards that of all its files. */
async function snapshotSha256(file: string): Promise<string> {
  if (!statSync(file).isDirectory()) return sha256OfFile(file);
  const names = readdirSync(file).filter((name) => statSync(join(file, name)).isFile());
  return canonicalHash(
    await Promise.all(names.sort(compareUtf8).map(async (name) => [name, await sha256OfFile(join(file, name))])),
  );
}

const squareOr = ({ height, width }: Size): number | Size => (height === width ? height : { height, width });

/** How images are shown. */
function readGraph(graph: string, settings: Settings, isImages: boolean, { note }: Control) {
  const model = openModel(graph);
  try {
    const declared = declaredInputs(model);
    const { input } = settings;
    const transform = isImages ? transformFor(settings.transform, declared, input) : undefined;
    if (transform) for (const text of transformNotes(settings.transform, declared, input)) note(text);
    const own = modelInput(declared, input).fixed ?? transform?.crop;
    return {
      transform,
      trainSize: settings.trainSize ?? (own && squareOr(own)),
      reading: fileReading(model, settings, { transform, choice: settings.transform }),
      graphBytes: model.source.size + model.externalLocations.reduce((sum, at) => sum + model.external(at).size, 0),
    };
  } finally {
    model.close();
  }
}

/** @throws TemperError INPUT_TOO_FEW where not every part of `val` would have images to choose or judge by */
function assertEnough(images: number, isTested: boolean): void {
  const least = LEAST_TO_SPLIT * (isTested ? 1 : 2);
  if (images >= least) return;
  throw new TemperError('INPUT_TOO_FEW', `\`val\` has ${images} labelled images, expected at least ${least}`, {
    hint: `${isTested ? 'A half chooses, the other' : 'A quarter chooses, a quarter'} says whether it is better${isTested ? '' : ', a half reports'}: name a larger set.`,
    details: { found: images, least },
  });
}

/** A set that labels are read of, checked against the model's classes. */
async function readSets(settings: Settings, graph: string): Promise<ReadRun['sets'] & { readonly split: Split }> {
  const model = openModel(graph);
  const classes = declaredClasses(model, settings.output);
  model.close();
  const { seed, train, val, test, fixRes } = settings;
  const split = splitOf(settings);
  const halvesOf = ({ parts = [] }: DataOptions) => parts;
  const read = <Name extends string>(
    data: DataOptions,
    as: 'train' | 'val' | 'test',
    parts: Readonly<Record<Name, readonly SetPart[]>>,
  ) =>
    readParts({ ...data, seed: data.seed ?? seed }, parts, {
      as,
      labelled: as !== 'train' || fixRes,
      ...(as === 'train'
        ? {}
        : {
            check: ({ dataset, rows }) => {
              assertLabels(dataset, classes);
              if (as === 'val') assertEnough(rows.length, test !== undefined);
            },
          }),
    });
  // Keys of a million images of training are asked for only where they may be those of others.
  const isDoubtful = train && [val, test].some((set) => set && isOnePlace(train, set));
  const all: Readonly<Record<string, readonly SetPart[]>> = isDoubtful ? { all: [] } : {};
  const trained = train && (await read(train, 'train', all));
  const { choosing, selecting, judging } = split;
  const chosen = await read(val, 'val', {
    choosing: halvesOf(choosing),
    selecting: halvesOf(selecting),
    judging: halvesOf(judging),
    reporting: halvesOf(split.reporting),
  });
  const tested = test && (await read(test, 'test', { reporting: [] }));
  const { reporting } = (tested ?? chosen).parts;
  assertApart([
    { name: 'val', data: val, keys: [...chosen.parts.choosing.keys, ...(tested ? [] : reporting.keys)] },
    ...(train ? [{ name: 'train' as const, data: train, keys: trained?.parts.all?.keys ?? [] }] : []),
    ...(test ? [{ name: 'test' as const, data: test, keys: reporting.keys }] : []),
  ]);
  return { train: trained, val: chosen, test: tested, ...chosen.parts, reporting, split };
}

/** An earlier run's inputs must be what they were. @throws TemperError MISMATCH_VALUE */
function assertAsMade(made: Made, snapshots: readonly ReadSnapshot[], sets: ReadRun['sets']): void {
  const changed = (what: string, made = 'is not what the recipe was made from'): TemperError =>
    new TemperError('MISMATCH_VALUE', `${what} ${made}`, {
      hint: 'Name it on the line beside `recipe`, to run the recipe on it.',
    });
  if (made.snapshots.length !== snapshots.length) {
    throw changed(`\`inputs\` are ${snapshots.length} snapshots,`, `the recipe was made from ${made.snapshots.length}`);
  }
  const other = snapshots.find(({ sha256 }, i) => sha256 !== made.snapshots[i]?.sha256);
  if (other) throw changed(`${other.file} (\`inputs\`)`);
  for (const name of ['train', 'val', 'test'] as const) {
    if (made[name]?.tableSha256 !== sets[name]?.tableSha256) throw changed(`\`${name}\``);
  }
}

/**
 * Reads what there is: snapshots in order, how images are shown, tables of images, and the split.
 * @throws TemperError USAGE, INPUT_*, FORMAT_*, UNSUPPORTED_*, MISMATCH_*
 */
export async function readRun(settings: Settings, made: Made | undefined, control: Control): Promise<ReadRun> {
  const snapshots = await readSnapshots(settings, control);
  const last = snapshots.at(-1);
  if (!last) throw new TemperError('INPUT_TOO_FEW', 'no snapshots were found', { hint: 'Name a folder of them.' });
  const { template } = settings.inputs;
  const graph = template ?? last.file;
  const { split, ...sets } = await readSets(settings, graph);
  if (made) assertAsMade(made, snapshots, sets);
  const read = readGraph(graph, settings, sets.val.isImages, control);
  const { seed, train } = settings;
  return {
    settings,
    snapshots,
    checkpoints: template !== undefined,
    graph,
    graphBytes: read.graphBytes,
    transform: read.transform,
    trainSize: read.trainSize,
    reading: read.reading,
    split,
    train: train && { ...train, seed: train.seed ?? seed },
    sets,
  };
}
