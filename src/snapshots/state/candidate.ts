import type { StateTensor } from '../state-table.ts';

/** What a state dict is among those of a checkpoint. */
export type StateRole = 'ema' | 'average' | 'model' | 'raw';

/** A tensor before its name is final. */
export type UnnamedTensor = Omit<StateTensor, 'name'>;

/** One of a checkpoint's state dicts. */
export interface StateCandidate {
  /** Where it is in the file: `state_dict_ema`, `ema.model`; `file` for the whole. */
  readonly key: string;
  readonly role: StateRole;
  /**
   * Its tensors by the names that the file gives them.
   * @throws TemperError FORMAT_*, UNSUPPORTED_* for what hides a weight
   */
  readonly tensors: () => ReadonlyMap<string, UnnamedTensor>;
}

/** The key of a file that is one state dict. */
export const WHOLE_FILE = 'file';
