/** How the options of all commands bear on what is written, by name: what `--skip-existing` asks of them. */

/** The values of a command's options, by name. */
export type Arguments = Readonly<Record<string, unknown>>;

/** How an input is read: a run's snapshots, models, one model, a data set, or any file or folder. */
export type InputKind = 'snapshots' | 'models' | 'model' | 'data' | 'file';

/** Names of files and folders that are read: compared by what they hold. */
export const INPUTS: Readonly<Record<string, InputKind>> = {
  inputs: 'snapshots',
  models: 'models',
  ingredients: 'models',
  model: 'model',
  teachers: 'model',
  student: 'model',
  template: 'model',
  'template-of': 'model',
  baseline: 'model',
  data: 'data',
  train: 'data',
  val: 'data',
  test: 'data',
  shifted: 'data',
  reference: 'data',
  labels: 'file',
  'train-labels': 'file',
  'val-labels': 'file',
  'test-labels': 'file',
  'shifted-labels': 'file',
  'reference-labels': 'file',
  classes: 'file',
  'class-map': 'file',
  'valid-classes': 'file',
  'real-labels': 'file',
  slices: 'file',
  set: 'data',
  'set-classes': 'file',
  'set-labels': 'file',
  config: 'file',
  metrics: 'file',
  weights: 'file',
  moments: 'file',
  from: 'file',
  recipe: 'file',
  store: 'file',
  targets: 'file',
  'views-from': 'file',
};

/** Names of what is written; what a command was made from is kept beside the first that it was given. */
export const OUTPUTS = [
  ...['out', 'out-dir', 'moments-out', 'csv', 'per-image', 'per-class', 'per-row', 'confusion', 'flips', 'set-csv'],
  'quarantine',
  'report',
] as const;

/** Options that shape no byte of any output. */
export const SHAPELESS = [
  ...['json', 'quiet', 'force', 'skip-existing', 'dry-run'],
  ...['workers', 'memory', 'cache-memory', 'cache', 'parts', 'features', 'work', 'summary'],
] as const;

interface FolderOutput {
  readonly option: (typeof OUTPUTS)[number];
  /** What is written last: without it the command goes on where an earlier run was stopped. */
  readonly last?: string;
  /** Made again, its files are others: they hold times. */
  readonly timed?: boolean;
}

/** Outputs that are folders, by command. */
export const FOLDERS: Readonly<Record<string, FolderOutput>> = {
  'avg-ckpt': { option: 'out-dir' },
  'avg-ckpt swag': { option: 'out-dir' },
  'teacher-logits': { option: 'out', last: 'manifest.json' },
  'teacher-logits export': { option: 'out', last: 'export.json' },
  finish: { option: 'out-dir', last: 'recipe.yaml', timed: true },
};
