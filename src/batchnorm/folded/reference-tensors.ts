import type { SafetensorsFile, SafetensorsTensor, TemperError, TensorReader } from '../../core/index.ts';
import type { MomentsRun } from '../moments-run.ts';
import type { Statistics } from '../statistics.ts';
import { goalsHash, type Reference } from './reference.ts';

/** A reference as a file keeps it. */
export interface KeptReference extends Reference {
  /** The places of its layers among those of the run. */
  readonly layers: readonly number[];
}

const PARTS = ['mean', 'variance'] as const;

/** Goals of layers as tensors `reference_mean.l` and `reference_variance.l` [C], float64; none for kept layers. */
export function referenceTensors(
  layers: readonly { readonly channels: number; readonly goal?: Statistics | undefined }[],
): SafetensorsTensor[] {
  return layers.flatMap(({ channels, goal }, l) =>
    goal
      ? PARTS.map(
          (part): SafetensorsTensor => ({
            name: `reference_${part}.${l}`,
            dtype: 'F64',
            shape: [channels],
            data: goal[part],
          }),
        )
      : [],
  );
}

/** The layers of a run whose goals a file keeps. */
export function referenceLayers({ tensors }: SafetensorsFile): number[] {
  return [...tensors.keys()]
    .flatMap((name) => /^reference_mean\.(\d{1,9})$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** What a file of those layers' goals has. */
export function referenceShapes({ layers }: MomentsRun, places: readonly number[]): [string, readonly number[]][] {
  return places.flatMap((l) =>
    PARTS.map((part): [string, readonly number[]] => [`reference_${part}.${l}`, [layers[l]?.channels ?? 0]]),
  );
}

/**
 * Reads the goals that a file keeps.
 * @returns undefined for a run of kept layers alone
 * @throws what `malformed` makes of goals that none can be, or that are not those of the run
 */
export function readReference(
  { reference: text }: MomentsRun,
  places: readonly number[],
  read: TensorReader,
  malformed: (what: string) => TemperError,
): KeptReference | undefined {
  if (text === undefined) {
    if (places.length > 0) throw malformed('it keeps goals, but its run has no reference');
    return undefined;
  }
  const goals = places.map((l): Statistics => {
    const mean = read(`reference_mean.${l}`, [Float64Array]);
    const variance = read(`reference_variance.${l}`, [Float64Array]);
    if (!mean.every(Number.isFinite) || !variance.every((value) => Number.isFinite(value) && value >= 0))
      throw malformed(`the goal of layer ${l} is none that can be`);
    return { mean, variance };
  });
  const { goals_sha256: expected } = JSON.parse(text) as { goals_sha256?: unknown };
  if (goals.length === 0 || goalsHash(goals) !== expected) throw malformed('its goals are not those of its run');
  return { goals, text, layers: places };
}
