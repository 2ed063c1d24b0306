import type { FieldRow } from '../core/index.ts';
import type { BadImageRecord, DataOptions, Shard, Transform } from '../data/index.ts';
import type { RuntimeOptions, SessionChoice } from '../runtime/index.ts';
import type { ModelReading, OutputKind, PerModel, TransformChoice } from '../signature/index.ts';
import type { TestTimeAugmentation } from './joined-answers.ts';
import type { WorkerPart } from './per-image/columns.ts';
import type { KeptScores } from './per-image/kept-scores.ts';
import type { ModelScores } from './scores.ts';
import type { EvaluationSet, SetScores } from './sets/options.ts';

/** What `evaluate` measures: models on images, or predictions that were stored before. */
export interface EvaluateOptions extends RuntimeOptions, Pick<SessionChoice, 'graphOptimization'> {
  /** ONNX classifiers. Named twice, a model is measured twice: with two transforms, for example. */
  readonly models?: readonly string[] | undefined;
  /** The labelled images. */
  readonly data?: DataOptions | undefined;
  /** Instead of `models` and `data`: files of predictions of every image, those of all workers of one job. */
  readonly from?: readonly string[] | undefined;
  /**
   * What the models are compared with, instead of the first of them: a model, which is measured with them and counts as the first, or a
   * file of one model's predictions of the same images.
   */
  readonly baseline?: string | undefined;
  /**
   * JSON with all classes of each image (ImageNet-Real): a list in ImageNet's file order, or an object by key. Adds top-1 and top-5 by them.
   */
  readonly realLabels?: string | undefined;
  /** Join the models' answers too: the mean of their probabilities, and of their logits, as two more models. @default false */
  readonly ensemble?: boolean | undefined;
  /**
   * Test-time augmentation, as a further row of each model but for `baseline`. `flip`: the mean of the probabilities of an image and of its
   * mirror image (the network's input, left and right exchanged), beside the first row and the model itself. Doubles the work. @default none
   */
  readonly tta?: TestTimeAugmentation | undefined;
  /** Keep all that the models give of every image, too (`models[i].scores`): 4 bytes a value. @default false */
  readonly logits?: boolean | undefined;
  /** A CSV of what is known of the images: `key` first, then any columns, each of which is a way to slice them. */
  readonly slices?: string | undefined;
  /** From an image to the network's input: for all models, or one for each. @default what is found (docs/preprocessing.md), else torchvision's preset */
  readonly transform?: PerModel<TransformChoice> | undefined;
  /** What the models give. @default 'auto': told by the graph, else by all values */
  readonly outputs?: 'auto' | Exclude<OutputKind, 'log-probabilities'> | undefined;
  /**
   * Further sets of images, each a row a model of a table of differences to the images of `data` (ImageNet-A, -R, -Sketch, V2): what the
   * models score there and, among the same classes, here. With `from`, files of the same models' predictions.
   */
  readonly sets?: readonly EvaluationSet[] | undefined;
  /**
   * A set that has some of the model's classes alone is scored among these (`own`), as is `data` for its row, or among all classes. @default 'own'
   */
  readonly setScores?: SetScores | undefined;
  /** A file of class indices: only these classes are scored (ImageNet-A, -R). */
  readonly validClasses?: string | undefined;
  /** Stop at an image that cannot be decoded, or leave it out and list it. @default 'fail' */
  readonly onBadImage?: 'fail' | 'skip' | undefined;
  /** Measure the images of one worker only. */
  readonly shard?: Shard | undefined;
  /** Of the choice of `limit`, and of the bootstrap. @default 0 */
  readonly seed?: number | undefined;
}

/** One model of an evaluation. */
export interface EvaluatedModel extends ModelScores {
  /** What the images went through; absent where they were numbers ready for the network, or measured before. */
  readonly transform: Transform | undefined;
  /** How the model was read: what it takes and gives, each fact with its source; absent where it was measured before. */
  readonly reading: ModelReading | undefined;
  /** Which worker's images these are, where only a part was measured. */
  readonly part: WorkerPart | undefined;
  /** All that the model gave, with `logits`; a mean of models gave nothing by itself. */
  readonly scores?: KeptScores | undefined;
  /** Signs that labels and classes do not fit, in sentences; options are named in backticks. */
  readonly warnings: readonly string[];
}

export interface EvaluationRecord {
  readonly models: readonly EvaluatedModel[];
  /** Where the images came from: the data set, or the files of predictions. */
  readonly source: string;
  /** Images that could not be decoded and were left out. */
  readonly badImages: readonly BadImageRecord[];
  /** What is odd about pictures and transforms, in sentences; options are named in backticks. */
  readonly pictureNotes: readonly string[];
  /** Names of the classes by index, where a model's file or the data says them. */
  readonly classNames: readonly string[];
  /** The table of differences to the images of `data` (docs/columns.md): by set, the models below each other; empty without `sets`. */
  readonly sets: readonly FieldRow[];
  /** Top-1 of each slice and model (docs/columns.md), those that fewest of are right first; empty without `slices`. */
  readonly slices: readonly FieldRow[];
}
