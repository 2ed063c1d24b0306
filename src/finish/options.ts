import type { DataOptions, Size, TransformOptions } from '../data/index.ts';
import type { SweepSize } from '../resolution/index.ts';
import type { RuntimeOptions } from '../runtime/index.ts';
import type { CandidateOptions, Family } from '../search/index.ts';
import type { FinishRecord } from './record.ts';

/** What `finish` starts from, on which images, what it may try, and where everything goes. What is not given is the recipe's, else the default. */
export interface FinishOptions
  extends RuntimeOptions,
    Pick<CandidateOptions, 'pattern' | 'state' | 'template' | 'templateOf' | 'order' | 'start' | 'end' | 'every'>,
    Pick<CandidateOptions, 'allowDuplicates' | 'onBadImage' | 'seed' | 'memory'> {
  /** Snapshots: ONNX files, or training checkpoints with a `template`; folders of them, or globs. */
  readonly inputs?: readonly string[] | undefined;
  /** Images of training: for BatchNormalization's statistics, and for `fixRes`. */
  readonly train?: Omit<DataOptions, 'parts'> | undefined;
  /** Labelled images that the network was not trained on: with `test` all of them choose, else one half chooses and the other reports. */
  readonly val?: Omit<DataOptions, 'parts'> | undefined;
  /** Labelled images that are looked at once, at the end. @default one half of `val` */
  readonly test?: Omit<DataOptions, 'parts'> | undefined;
  /** The folder for the model, the reports, the model card and the recipe; made if it is not there. */
  readonly outDir: string;
  /** A folder for the results of steps, which another run goes on from, and which is kept. @default `.steps` in `outDir`, until the end */
  readonly work?: string | undefined;
  /** Replace outputs that exist. @default false */
  readonly force?: boolean | undefined;
  /** A recipe that an earlier run wrote: its settings are the defaults of this one. */
  readonly recipe?: string | undefined;
  /** Further files of `outDir` by name, each made of the record: they are published with the rest. @default none */
  readonly reports?: Readonly<Record<string, (record: FinishRecord) => string>> | undefined;
  /** From an image to the network's input. @default what is found (docs/preprocessing.md), else torchvision's preset */
  readonly transform?: TransformOptions | undefined;
  /** The size in pixels that the networks were trained at. @default the transform's size */
  readonly trainSize?: number | Size | undefined;
  /** Kinds of averages. @default 'last', 'ema', 'power' and 'greedy' */
  readonly include?: readonly Exclude<Family, 'single'>[] | undefined;
  /** Measure BatchNormalization's statistics again, of averages and at other sizes. @default true */
  readonly bn?: boolean | undefined;
  /** Test sizes to try; none: no sweep. @default 0.85, 1, 1.15, 1.3 and 1.5 times the train size */
  readonly sizes?: readonly SweepSize[] | undefined;
  /** Sizes that cost more 10^9 multiply-accumulates an image are not taken. */
  readonly maxGmacs?: number | undefined;
  /** Sizes whose time an image is more than so many times that at the train size are not taken. */
  readonly maxLatencyRatio?: number | undefined;
  /** Tune the last layers for the chosen size (FixRes). @default false */
  readonly fixRes?: boolean | undefined;
  /** Calibrate the confidence. @default true */
  readonly calibrate?: boolean | undefined;
  /** Write config.json and preprocessor_config.json beside the model. @default false */
  readonly writeConfig?: boolean | undefined;
}
