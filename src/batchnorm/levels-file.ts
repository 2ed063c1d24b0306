import {
  type ByteSource,
  canonicalJson,
  openAtomic,
  openSafetensors,
  type SafetensorsTensor,
  TemperError,
  tensorReader,
  writeSafetensors,
} from '../core/index.ts';
import type { BatchNormLayer } from './find-layers.ts';
import {
  type KeptReference,
  readReference,
  referenceLayers,
  referenceShapes,
  referenceTensors,
} from './folded/reference-tensors.ts';
import type { LevelDone, MeasuredLayer } from './measure.ts';
import { formatOf, type MomentsRun, runOf } from './moments-run.ts';
import type { Statistics } from './statistics.ts';

/** The file's layout; its version tells whether it keeps a reference. */
const FORMAT = 'onnx-temper levels';
const HINT =
  'It keeps the levels of bn-recal `method` sequential that are done. Delete it to begin with the first one.';

/**
 * Writes the statistics of the levels that are done as safetensors, in place of what was written after the level before:
 * `layer` [K], the positions in the run's layers, rising; `count` [K]; `images` [1]; and for layer l `mean.l` and
 * `variance.l` [C], as float64; of folded layers the goals, `reference_mean.l` and `reference_variance.l` [C]. The file is published atomically: a kill at any time leaves the levels before or all.
 * @param images of a pass
 * @param layers of the run, with their goals
 * @throws TemperError OUTPUT_WRITE
 */
export function writeLevelsFile(
  path: string,
  run: MomentsRun,
  images: number,
  levels: readonly LevelDone[],
  layers: readonly BatchNormLayer[] = [],
): void {
  const positions = new Map(run.layers.map(({ name }, l) => [name, l]));
  const measured = levels
    .flatMap((level) => level.measured)
    .map((one): [number, MeasuredLayer] => [positions.get(one.layer.name) as number, one])
    .sort(([a], [b]) => a - b);
  const tensors: SafetensorsTensor[] = [
    { name: 'images', dtype: 'U64', shape: [1], data: BigUint64Array.of(BigInt(images)) },
    { name: 'layer', dtype: 'U32', shape: [measured.length], data: Uint32Array.from(measured, ([l]) => l) },
    {
      name: 'count',
      dtype: 'U64',
      shape: [measured.length],
      data: BigUint64Array.from(measured, ([, { count }]) => BigInt(count)),
    },
    ...measured.flatMap(([l, { layer, statistics }]) =>
      (['mean', 'variance'] as const).map(
        (what): SafetensorsTensor => ({
          name: `${what}.${l}`,
          dtype: 'F64',
          shape: [layer.channels],
          data: statistics[what],
        }),
      ),
    ),
    ...referenceTensors(layers),
  ];
  const file = openAtomic(path);
  try {
    const metadata = new Map([
      ['format', formatOf(FORMAT, run)],
      ['run', canonicalJson(run)],
    ]);
    writeSafetensors(file, tensors, metadata);
    file.publish({ force: true });
  } finally {
    file.discard();
  }
}

/** The levels of an interrupted run, and what they were made from. */
export interface LevelsFile {
  readonly path: string;
  readonly run: MomentsRun;
  /** Images of a pass. */
  readonly images: number;
  /** The goals of folded layers. */
  readonly reference: KeptReference | undefined;
  readonly done: readonly { readonly name: string; readonly statistics: Statistics; readonly count: number }[];
}

/**
 * Reads the whole file, which has the size of the statistics.
 * @throws TemperError FORMAT_* as openSafetensors; FORMAT_MALFORMED for another kind of file, and values that cannot be
 */
export function readLevelsFile(source: ByteSource): LevelsFile {
  const { path } = source;
  const malformed = (what: string): TemperError =>
    new TemperError('FORMAT_MALFORMED', `${path}: is no file of finished levels: ${what}`, {
      hint: HINT,
      details: { path },
    });
  const file = openSafetensors(source);
  const run = runOf(file.metadata, FORMAT, malformed);
  const layers = [...file.tensors.keys()].flatMap((name) => /^mean\.(\d{1,9})$/.exec(name)?.[1] ?? []).map(Number);
  const shapes = new Map<string, readonly number[]>([
    ['images', [1]],
    ['layer', [layers.length]],
    ['count', [layers.length]],
    ...layers.flatMap((l): [string, readonly number[]][] => {
      const channels = run.layers[l]?.channels;
      if (channels === undefined) throw malformed(`layer ${l} of ${run.layers.length}`);
      return [
        [`mean.${l}`, [channels]],
        [`variance.${l}`, [channels]],
      ];
    }),
  ]);
  const goals = referenceLayers(file);
  for (const [name, shape] of referenceShapes(run, goals)) shapes.set(name, shape);
  const read = tensorReader(file, shapes, malformed);
  const counts = Array.from(read('count', [BigUint64Array]), Number);
  const [images = 0] = Array.from(read('images', [BigUint64Array]), Number);
  if (![...counts, images].every((count) => Number.isSafeInteger(count) && count > 0))
    throw malformed('a count is not one');
  const done = Array.from(read('layer', [Uint32Array]), (l, i) => {
    if (!layers.includes(l)) throw malformed(`layer ${l} has no statistics`);
    const statistics = { mean: read(`mean.${l}`, [Float64Array]), variance: read(`variance.${l}`, [Float64Array]) };
    const { name } = run.layers[l] as { name: string };
    if (!statistics.mean.every(Number.isFinite) || !statistics.variance.every((v) => Number.isFinite(v) && v >= 0))
      throw malformed(`${name} has a mean or a variance that none can be`);
    return { name, statistics, count: counts[i] as number };
  });
  if (new Set(done.map(({ name }) => name)).size !== layers.length) throw malformed('a layer is there twice');
  return { path, run, images, reference: readReference(run, goals, read, malformed), done };
}

/** Levels all of whose layers a file has. */
export function levelsDone({ done }: LevelsFile, layers: readonly BatchNormLayer[]): LevelDone[] {
  const known = new Map(done.map((one) => [one.name, one]));
  return [...new Set(layers.map(({ level }) => level))]
    .sort((a, b) => a - b)
    .flatMap((level) => {
      const here = layers.filter((layer) => layer.level === level);
      const measured = here.flatMap((layer) => {
        const one = known.get(layer.name);
        return one ? [{ layer, statistics: one.statistics, count: one.count }] : [];
      });
      return measured.length === here.length ? [{ level, measured }] : [];
    });
}
