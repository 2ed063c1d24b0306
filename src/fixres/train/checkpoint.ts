import { existsSync, rmSync } from 'node:fs';
import {
  openAtomic,
  openFile,
  openSafetensors,
  type SafetensorsTensor,
  TemperError,
  writeSafetensors,
} from '../../core/index.ts';
import type { EpochRecord, TrainState } from './train.ts';

/** The best epoch so far, where early stopping looks for it. */
export interface Best {
  readonly epoch: number;
  readonly nll: number;
  readonly parameters: ReadonlyMap<string, Float32Array>;
}

/** An epoch of a run: what was trained, and what was found on the validation images. */
export interface HistoryRow extends EpochRecord {
  readonly val_top1?: number;
  readonly val_nll?: number;
}

/** All that an interrupted run needs to go on as if nothing had happened. */
export interface Checkpoint {
  /** Canonical text of everything that the run is made from. */
  readonly run: string;
  readonly state: TrainState;
  readonly history: readonly HistoryRow[];
  readonly best: Best | undefined;
}

const FORMAT = 'onnx-temper-fixres-checkpoint';
const GROUPS = ['parameters', 'velocities', 'best'] as const;

/** Writes a checkpoint as safetensors, atomically. @throws TemperError OUTPUT_WRITE */
export function writeCheckpoint(path: string, { run, state, history, best }: Checkpoint): void {
  const groups = { parameters: state.parameters, velocities: state.velocities, best: best?.parameters ?? new Map() };
  const tensors = GROUPS.flatMap((group) =>
    [...(groups[group] as ReadonlyMap<string, Float32Array>)].map(
      ([name, data]): SafetensorsTensor => ({ name: `${group}/${name}`, dtype: 'F32', shape: [data.length], data }),
    ),
  );
  const found = { epochs: state.epochs, history, best: best ? { epoch: best.epoch, nll: best.nll } : null };
  const file = openAtomic(path);
  try {
    writeSafetensors(
      file,
      tensors,
      new Map([
        ['format', FORMAT],
        ['run', run],
        ['progress', JSON.stringify(found)],
      ]),
    );
    file.publish({ force: true });
  } catch (error) {
    file.discard();
    throw error;
  }
}

function refuse(path: string, what: string): TemperError {
  return new TemperError('MISMATCH_VALUE', `${path}: ${what}`, {
    hint: 'Remove it to begin anew (`force` does), or name another `out`.',
    details: { path },
  });
}

interface Progress {
  readonly epochs: number;
  readonly history: readonly HistoryRow[];
  readonly best: { readonly epoch: number; readonly nll: number } | null;
}

function isProgress(value: unknown): value is Progress {
  const { epochs, history, best } = (value ?? {}) as Partial<Progress>;
  return (
    Number.isSafeInteger(epochs) &&
    Array.isArray(history) &&
    history.length === epochs &&
    (best === null || Number.isSafeInteger(best?.epoch))
  );
}

function parse(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}

/**
 * Reads the checkpoint of a run; undefined where there is none.
 * @param like the state before the first step: every array must be there, of the same length
 * @param discard whether one that does not serve this run counts as none
 * @throws TemperError MISMATCH_VALUE for a checkpoint of another run; FORMAT_*
 */
export function readCheckpoint(path: string, run: string, like: TrainState, discard = false): Checkpoint | undefined {
  if (!existsSync(path)) return undefined;
  const source = openFile(path);
  try {
    const file = openSafetensors(source);
    if (file.metadata.get('format') !== FORMAT) throw refuse(path, 'is no checkpoint of fix-res');
    if (file.metadata.get('run') !== run) throw refuse(path, 'is the checkpoint of another run');
    const progress = parse(file.metadata.get('progress'));
    if (!isProgress(progress)) throw refuse(path, 'does not say how far it is');
    const read = (group: (typeof GROUPS)[number], arrays: ReadonlyMap<string, Float32Array>) =>
      new Map(
        [...arrays].map(([name, { length }]): [string, Float32Array] => {
          const values = file.read(`${group}/${name}`);
          if (values instanceof Float32Array && values.length === length) return [name, values];
          throw refuse(path, `${group}/${name} has ${values.length} values, expected ${length} of float32`);
        }),
      );
    const state = {
      parameters: read('parameters', like.parameters),
      velocities: read('velocities', like.velocities),
      epochs: progress.epochs,
    };
    const best = progress.best && { ...progress.best, parameters: read('best', like.parameters) };
    return { run, state, history: progress.history, best: best ?? undefined };
  } catch (error) {
    if (discard && error instanceof TemperError) return undefined;
    throw error;
  } finally {
    source.close();
  }
}

export function removeCheckpoint(path: string): void {
  rmSync(path, { force: true });
}
