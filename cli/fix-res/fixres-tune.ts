import { basename, join } from 'node:path';
import type { Ran } from '../../src/batchnorm/index.ts';
import { sha256OfFile, version } from '../../src/core/index.ts';
import { transformHash } from '../../src/data/index.ts';
import { MANIFEST_FILE } from '../../src/distill/index.ts';
import { type CachedViews, type HistoryRow, type TrainState, fit, initialState, labelTargets, openScorer, openTrainer, readCheckpoint, setFoldedLayer, setStatistics } from '../../src/fixres/index.ts';
import { modelHashes } from '../../src/onnx/index.ts';
import { rowsHash } from '../bn-recal/recalibration.ts';
import { note } from '../shared/output-options.ts';
import { progress } from '../shared/progress.ts';
import { type Job, measureLayer, runtimeOf, sizeText, trainingFeatures, validationFeatures } from './fixres-job.ts';

export interface Tuned {
  readonly state: TrainState;
  readonly history: readonly HistoryRow[];
  /** The epoch whose weights they are. */
  readonly epoch: number;
  readonly images: number;
  readonly ran: Ran;
}

export const checkpointPath = (out: string): string => `${out}.checkpoint.safetensors`;

/** Trains by gradients, going on from a checkpoint of the same run. */
async function train(job: Job, start: TrainState, run: string): Promise<Tuned> {
  const { cut, args, tuning, targets, stop, batch, signal } = job;
  const checkpoint = checkpointPath(args.out as string);
  const resumed = readCheckpoint(checkpoint, run, start, args.force);
  if (resumed) note(args, `going on after epoch ${resumed.state.epochs} from ${checkpoint}`);
  const features = await trainingFeatures(job);
  const validation = stop && (await validationFeatures(job, stop, features.cache.memoryBytes));
  try {
    const labels = targets ? undefined : labelTargets(features.labels ?? [], cut.tail.classes, tuning.labelSmoothing);
    const views: CachedViews = targets
      ? { count: targets.store.manifest.views, order: 'by-image' }
      : { count: tuning.views, order: 'by-view' };
    const trainer = await openTrainer(cut, features.cache, views, labels, start, {
      ...runtimeOf(args),
      ...tuning,
      batch,
      schedule: args.schedule,
      shuffle: args.shuffle ? { seed: args.seed ?? 0 } : undefined,
    });
    const scorer = validation && (await openScorer(cut, validation, runtimeOf(args)));
    const bar = progress(`training ${cut.mode}`, tuning.epochs, args.quiet);
    try {
      const fitted = await fit(trainer, resumed ?? start, {
        epochs: tuning.epochs,
        run,
        checkpoint,
        patience: args.patience,
        validate: scorer && ((state) => scorer.metrics(state)),
        onEpoch: ({ epoch }) => bar.update(epoch),
        signal,
      });
      return { ...fitted, images: features.keys.length, ran: features.ran };
    } finally {
      bar.end();
      await Promise.all([trainer.close(), scorer?.close()]);
    }
  } finally {
    features.cache.close();
    validation?.cache.close();
  }
}

export async function tune(job: Job, run: string): Promise<Tuned> {
  const { cut, sizes } = job;
  const state = initialState(cut);
  if (cut.norm?.kind === 'folded') setFoldedLayer(state, cut, (await measureLayer(job, sizes.train)).moments);
  if (cut.mode !== 'stats') return train(job, state, run);
  const { moments, ran } = await measureLayer(job, sizes.test);
  setStatistics(state, cut, moments);
  return { state, history: [], epoch: 0, images: ran.images, ran };
}

/** Everything that the tuned weights are made from, but the machine. */
export async function settingsOf(job: Job): Promise<Record<string, unknown>> {
  const { file, freed, cut, args, tuning, sizes, sets, stop, targets, batch } = job;
  const { dataset } = sets.train;
  const rows = targets?.rows ?? sets.train.rows;
  const trained = cut.mode !== 'stats';
  return {
    tool: 'onnx-temper',
    version,
    command: 'fix-res',
    input: await modelHashes(file),
    ...(freed ? { freed_size: `${freed.height}x${freed.width}` } : {}),
    mode: cut.mode,
    layer: cut.norm ? { name: cut.norm.name, batch_normalization: cut.norm.kind } : null,
    train_size: sizeText(sizes.train),
    test_size: sizeText(sizes.test),
    data: basename(dataset.source),
    data_table_sha256: dataset.tableHash(),
    rows_sha256: rowsHash(rows),
    transform: sizes.test,
    transform_sha256: transformHash(sizes.test),
    views: tuning.augment ? { augment: tuning.augment, count: tuning.views, seed: args.seed ?? 0 } : null,
    ...(trained
      ? {
          optimizer: {
            name: 'sgd',
            lr: tuning.lr,
            momentum: tuning.momentum,
            weight_decay: tuning.weightDecay,
            schedule: args.schedule,
            epochs: tuning.epochs,
            batch,
            shuffle: args.shuffle,
            seed: args.seed ?? 0,
            label_smoothing: tuning.labelSmoothing,
          },
          targets: targets
            ? {
                manifest_sha256: await sha256OfFile(join(targets.store.folder, MANIFEST_FILE)),
                teachers: targets.store.manifest.teachers.map(({ name, sha256 }) => ({ name, sha256 })),
                views: targets.store.manifest.views,
                temperature: tuning.temperature,
              }
            : null,
          early_stopping: stop
            ? { patience: args.patience, data_table_sha256: stop.dataset.tableHash(), rows_sha256: rowsHash(stop.rows) }
            : null,
        }
      : {}),
  };
}
