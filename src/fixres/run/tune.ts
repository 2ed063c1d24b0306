import type { Ran } from '../../batchnorm/index.ts';
import { sessionOptions } from '../../runtime/index.ts';
import { type HistoryRow, readCheckpoint } from '../train/checkpoint.ts';
import type { Features, TrainingFeatures } from '../train/collect-features.ts';
import { type Fitted, fit } from '../train/fit.ts';
import { setFoldedLayer, setStatistics } from '../train/layer-moments.ts';
import { openScorer } from '../train/score.ts';
import { labelTargets } from '../train/targets.ts';
import { type CachedViews, initialState, openTrainer, type TrainState } from '../train/train.ts';
import { momentsAt, trainingFeatures, validationFeatures } from './passes.ts';
import type { Run } from './run.ts';

export interface Tuned {
  readonly state: TrainState;
  readonly history: readonly HistoryRow[];
  /** The epoch whose weights they are; 0 for those of the file. */
  readonly epoch: number;
  /** Images and views that it was tuned on, and what ran them. */
  readonly ran: Ran;
}

/** Where a run keeps its state after every epoch. */
export const checkpointPath = (out: string): string => `${out}.checkpoint.safetensors`;

/** Epochs on cached features, from a state or from the run's own checkpoint. */
async function trainOn(
  run: Run,
  features: TrainingFeatures,
  validation: Features | undefined,
  start: TrainState,
  identity: string,
): Promise<Fitted> {
  const { options, subject, images, tuning, control } = run;
  const { cut } = subject;
  const checkpoint = checkpointPath(options.out);
  const resumed = readCheckpoint(checkpoint, identity, start, options.force);
  if (resumed) control.note(`going on after epoch ${resumed.state.epochs} from ${checkpoint}`);
  const device = sessionOptions({ device: options.device, threads: options.threads });
  const views: CachedViews = images.targets
    ? { count: images.targets.store.manifest.views, order: 'by-image' }
    : { count: tuning.views?.count ?? 1, order: 'by-view' };
  const labels = images.targets
    ? undefined
    : labelTargets(features.labels ?? [], cut.tail.classes, tuning.labelSmoothing);
  const trainer = await openTrainer(cut, features.cache, views, labels, start, { ...tuning, ...device });
  const scorer = validation && (await openScorer(cut, validation, device));
  const bar = control.progress(`training ${cut.mode}`, tuning.epochs);
  try {
    return await fit(trainer, resumed ?? start, {
      epochs: tuning.epochs,
      run: identity,
      checkpoint,
      patience: tuning.patience,
      validate: scorer && ((state) => scorer.metrics(state)),
      onEpoch: ({ epoch }) => bar.update(epoch),
      signal: control.signal,
    });
  } finally {
    bar.end();
    await Promise.all([trainer.close(), scorer?.close()]);
  }
}

/** Trains by gradients. */
async function train(run: Run, start: TrainState, identity: string): Promise<Tuned> {
  const features = await trainingFeatures(run);
  let validation: Features | undefined;
  try {
    validation = await validationFeatures(run, features.cache.memoryBytes);
    const fitted = await trainOn(run, features, validation, start, identity);
    return { ...fitted, ran: features.ran };
  } finally {
    features.cache.close();
    validation?.cache.close();
  }
}

/**
 * Gives the layer its statistics, or trains, going on from a checkpoint of the same run.
 * @param identity canonical text of everything that the weights are made from
 */
export async function tune(run: Run, identity: string): Promise<Tuned> {
  const { cut } = run.subject;
  const { train: trained, test } = run.transforms;
  const state = initialState(cut);
  if (cut.norm?.kind === 'folded') setFoldedLayer(state, cut, (await momentsAt(run, trained)).moments);
  if (cut.mode !== 'stats') return train(run, state, identity);
  const { moments, ran } = await momentsAt(run, test);
  setStatistics(state, cut, moments);
  return { state, history: [], epoch: 0, ran };
}
