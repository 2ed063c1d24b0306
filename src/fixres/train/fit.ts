import type { Metrics } from '../../evaluate/index.ts';
import { type Best, type Checkpoint, type HistoryRow, writeCheckpoint } from './checkpoint.ts';
import type { Trainer, TrainState } from './train.ts';

export interface FitOptions {
  readonly epochs: number;
  /** Canonical text of everything that the run is made from: a checkpoint serves the same run alone. */
  readonly run: string;
  /** Where the state is kept after every epoch. */
  readonly checkpoint: string | undefined;
  /** Stop after as many epochs without a lower NLL on the validation images, and take the best. Absent: train all epochs. */
  readonly patience: number | undefined;
  /** Measures the state; needed for patience. */
  readonly validate: ((state: TrainState) => Promise<Pick<Metrics, 'top1' | 'nll'>>) | undefined;
  readonly onEpoch?: ((row: HistoryRow) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Fitted {
  /** The state to write: the last one, or with patience the best. */
  readonly state: TrainState;
  readonly history: readonly HistoryRow[];
  /** The epoch whose state it is; 0 is the file's own. */
  readonly epoch: number;
}

const copyOf = (parameters: ReadonlyMap<string, Float32Array>): Map<string, Float32Array> =>
  new Map([...parameters].map(([name, values]) => [name, values.slice()]));

/**
 * Trains for some epochs, keeping a checkpoint after each. A run that goes on from one ends with the weights of an
 * undisturbed run: order, rate and views of an epoch are functions of its number.
 * @param from the state to begin with, or a checkpoint of the same run
 * @throws what the trainer throws; the signal's reason between epochs
 */
export async function fit(
  trainer: Trainer,
  from: TrainState | Checkpoint,
  { epochs, run, checkpoint, patience, validate, onEpoch, signal }: FitOptions,
): Promise<Fitted> {
  const resumed = 'state' in from ? from : undefined;
  const state = resumed?.state ?? (from as TrainState);
  const history: HistoryRow[] = [...(resumed?.history ?? [])];
  let best: Best | undefined = resumed?.best;
  const early = patience !== undefined && validate !== undefined;
  if (early && !best) {
    const { nll } = await validate(state);
    best = { epoch: 0, nll, parameters: copyOf(state.parameters) };
  }
  const stopped = (): boolean => early && state.epochs - (best?.epoch ?? 0) >= patience;
  while (state.epochs < epochs && !stopped()) {
    signal?.throwIfAborted();
    const row = await trainer.epoch(state, signal);
    const found = validate && (await validate(state));
    const full: HistoryRow = { ...row, ...(found ? { val_top1: found.top1, val_nll: found.nll } : {}) };
    history.push(full);
    if (early && found && best && found.nll < best.nll)
      best = { epoch: state.epochs, nll: found.nll, parameters: copyOf(state.parameters) };
    if (checkpoint !== undefined) writeCheckpoint(checkpoint, { run, state, history, best });
    onEpoch?.(full);
  }
  if (!early || !best) return { state, history, epoch: state.epochs };
  return { state: { ...state, parameters: best.parameters }, history, epoch: best.epoch };
}
