import { basename } from 'node:path';
import { version } from '../../core/index.ts';
import { rowsHash, sizeText, type Transform, transformHash } from '../../data/index.ts';
import type { Run } from './run.ts';

/** Everything that the tuned weights are made from, but the machine: what an output's metadata says, as plain JSON. */
export type Settings = Readonly<Record<string, unknown>>;

/** Hashes of the files that a run reads beside its images. */
interface FileHashes {
  readonly input: unknown;
  /** Of the manifest of the store of targets. */
  readonly manifest: string | undefined;
}

const text = (transform: Transform): string => String(sizeText(transform));

function trainingSettings({ images: { targets, stop }, tuning }: Pick<Run, 'images' | 'tuning'>, manifest?: string) {
  return {
    optimizer: {
      name: 'sgd',
      lr: tuning.lr,
      momentum: tuning.momentum,
      weight_decay: tuning.weightDecay,
      schedule: tuning.schedule,
      epochs: tuning.epochs,
      batch: tuning.batch,
      shuffle: tuning.shuffle !== undefined,
      seed: tuning.seed,
      label_smoothing: tuning.labelSmoothing,
    },
    targets: targets
      ? {
          manifest_sha256: manifest,
          teachers: targets.store.manifest.teachers.map(({ name, sha256 }) => ({ name, sha256 })),
          views: targets.store.manifest.views,
          temperature: tuning.temperature,
        }
      : null,
    early_stopping: stop
      ? { patience: tuning.patience, data_table_sha256: stop.dataset.tableHash(), rows_sha256: rowsHash(stop.rows) }
      : null,
  };
}

/** The settings of a run: equal texts of them are one run, which a checkpoint goes on with. */
export function settingsOf(
  run: Pick<Run, 'images' | 'transforms' | 'tuning'> & { readonly subject: Pick<Run['subject'], 'freed' | 'cut'> },
  { input, manifest }: FileHashes,
): Settings {
  const { subject, images, transforms, tuning } = run;
  const { cut, freed } = subject;
  const { dataset, rows } = images.train;
  return {
    tool: 'onnx-temper',
    version,
    command: 'fix-res',
    input,
    ...(freed ? { freed_size: `${freed.height}x${freed.width}` } : {}),
    mode: cut.mode,
    layer: cut.norm ? { name: cut.norm.name, batch_normalization: cut.norm.kind } : null,
    train_size: text(transforms.train),
    test_size: text(transforms.test),
    data: basename(dataset.source),
    data_table_sha256: dataset.tableHash(),
    rows_sha256: rowsHash(rows),
    transform: transforms.test,
    transform_sha256: transformHash(transforms.test),
    views: tuning.views ?? null,
    ...(cut.mode === 'stats' ? {} : trainingSettings(run, manifest)),
  };
}
