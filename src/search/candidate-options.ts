import type { PlanOptions, TensorRules } from '../average/index.ts';
import type { DataOptions, ViewOptions } from '../data/index.ts';
import type { RuntimeOptions } from '../runtime/index.ts';
import type { TransformChoice } from '../signature/index.ts';
import type { StateChoice, TemplateOptions } from '../snapshots/index.ts';

/** What every job over candidates in memory is told: which snapshots, on which images, with how much memory. */
export interface CandidateOptions
  extends RuntimeOptions,
    TemplateOptions,
    Pick<PlanOptions, 'order' | 'start' | 'end' | 'every'> {
  /** Snapshots: ONNX files, or training checkpoints with a `template`, folders of them, or globs. Averages that avg-ckpt wrote into a folder are left out. */
  readonly inputs: readonly string[];
  /** Files of a folder that are snapshots. @default '*.onnx'; where there are none, training checkpoints */
  readonly pattern?: string | undefined;
  /** Which weights of training checkpoints: a rule, or a key of the file. @default 'auto', EMA weights where there are some */
  readonly state?: StateChoice | undefined;
  /** Keep snapshots that are the same bytes as another. @default false */
  readonly allowDuplicates?: boolean | undefined;
  /** How tensors are paired: by place in the graph, and report other names, refuse them, or do not report. @default 'auto' */
  readonly match?: TensorRules['match'] | undefined;
  /** Integers that differ between snapshots: refuse, or take the last snapshot's. @default 'error' */
  readonly onIntMismatch?: TensorRules['onIntMismatch'] | undefined;
  /** Carry NaN and Inf into averages. @default false */
  readonly allowNonfinite?: boolean | undefined;
  /** Labelled images. */
  readonly val?: DataOptions | undefined;
  /** Images to measure the BatchNormalization statistics of each candidate on. @default limit 8192 */
  readonly train?: DataOptions | undefined;
  /** From an image to the network's input. @default what is found (docs/preprocessing.md), else torchvision's preset */
  readonly transform?: TransformChoice | undefined;
  /** Training views of `train`. @default the evaluation transform */
  readonly views?: ViewOptions | undefined;
  /** Stop at an image that cannot be decoded, or leave it out. @default 'fail' */
  readonly onBadImage?: 'fail' | 'skip' | undefined;
  /** Of every random choice. @default 0 */
  readonly seed?: number | undefined;
  /** Bytes for snapshots, images and candidates; what does not fit is read again. @default 2 GiB */
  readonly memory?: number | undefined;
}
