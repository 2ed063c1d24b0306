import { samePath, TemperError } from '../core/index.ts';
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
  /** A graph that training checkpoints are put into: folders then give these, and the graph itself is no snapshot. */
  readonly template?: string | undefined;
}

/**
 * The files that a user means: folders and globs without what onnx-temper wrote into them, named files as they are.
 * @throws TemperError USAGE if nothing is named; INPUT_NOT_FOUND, INPUT_UNREADABLE
 */
export function findSnapshots(
  { inputs, pattern, out, template }: SnapshotSources,
  note: (text: string) => void,
): string[] {
  if (inputs.length === 0) {
    throw new TemperError('USAGE', 'no snapshots are named', { hint: 'Name a folder of .onnx files, or the files.' });
  }
  const isOutput = leaveOutOutputs(out, note);
  if (template === undefined) return expandInputs(inputs, pattern, isOutput, note);
  const leaveOut = (path: string): boolean => samePath(path, template) || isOutput(path);
  return expandInputs(inputs, pattern, leaveOut, note, true);
}
