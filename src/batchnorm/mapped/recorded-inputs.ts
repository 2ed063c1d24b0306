import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { openFile, openSafetensors, TemperError } from '../../core/index.ts';
import { isWrittenState, MODEL_STATE, openState, type StateTable } from '../../snapshots/index.ts';
import { foldersNear } from '../folded/ingredients.ts';

/** Of a hostile or a long record no more are opened; the newest stand last. */
const MOST_INPUTS = 256;

interface RecordedState {
  readonly file: string;
  readonly state: string;
  readonly sharded: boolean;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

function stateOf(value: unknown): RecordedState[] {
  if (!isObject(value)) return [];
  const { file, state, data } = value;
  const isNamed = typeof file === 'string' && basename(file) === file && typeof state === 'string';
  return isNamed && state !== MODEL_STATE ? [{ file, state, sharded: data !== undefined }] : [];
}

function recordedStates(path: string): RecordedState[] {
  const source = openFile(path);
  try {
    const record: unknown = JSON.parse(openSafetensors(source).metadata.get('onnx_temper.1') ?? 'null');
    const inputs: unknown[] = isObject(record) && Array.isArray(record.inputs) ? record.inputs : [];
    return inputs.slice(-MOST_INPUTS).flatMap(stateOf);
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  } finally {
    source.close();
  }
}

function openOne(path: string, state: string): StateTable | undefined {
  try {
    return openState(path, { state });
  } catch (error) {
    if (error instanceof TemperError) return undefined;
    throw error;
  }
}

/**
 * The checkpoints that a state dict is an average of, as far as they lie beside it or in a folder there: one of them may be what a
 * template was exported from, which its values tell. None for any other file.
 */
export function openRecordedInputs(path: string): StateTable[] {
  if (!isWrittenState(path)) return [];
  const folders = foldersNear(path);
  return recordedStates(path).flatMap(({ file, state, sharded }) => {
    const folder = folders.find((one) => existsSync(join(one, file)));
    if (folder === undefined) return [];
    return openOne(sharded ? folder : join(folder, file), state) ?? [];
  });
}
