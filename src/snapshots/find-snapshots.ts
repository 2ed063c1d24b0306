import { TemperError } from '../core/index.ts';
import { expandInputs } from './expand-inputs.ts';
import { leaveOutOutputs } from './own-outputs.ts';

/** Where a run's snapshots are. */
export interface SnapshotSources {
  /** Files, folders and globs. */
  readonly inputs: readonly string[];
  /** Which files of a folder are snapshots, with `*` and `?`. @default '*.onnx'; where there are none, training checkpoints */
  readonly pattern?: string | undefined;
  /** An output to come: what onnx-temper wrote under that name is left out without a word. */
  readonly out?: string | undefined;
}

/**
 * The files that a user means: folders and globs without what onnx-temper wrote into them, named files as they are.
 * @throws TemperError USAGE if nothing is named; INPUT_NOT_FOUND, INPUT_UNREADABLE
 */
export function findSnapshots({ inputs, pattern, out }: SnapshotSources, note: (text: string) => void): string[] {
  if (inputs.length === 0) {
    throw new TemperError('USAGE', 'no snapshots are named', { hint: 'Name a folder of .onnx files, or the files.' });
  }
  return expandInputs(inputs, pattern, leaveOutOutputs(out, note), note);
}
