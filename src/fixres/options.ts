import type { DataOptions, Size, Transform, TransformOptions } from '../data/index.ts';
import type { RuntimeOptions } from '../runtime/index.ts';
import type { CarryOptions } from '../signature/index.ts';
import type { Mode } from './cut/cut.ts';
import type { Schedule } from './train/sgd.ts';

/** What `fixRes` tunes, on which images, and how. Defaults are the reference's (facebookresearch/FixRes, imnet_finetune). */
export interface FixResOptions extends RuntimeOptions, CarryOptions {
  /** An ONNX classifier. */
  readonly model: string;
  /** The tuned model; beside it a checkpoint lies until the end, and features that memory has no room for. */
  readonly out: string;
  /** Replace `out`, and a checkpoint of another run. @default false */
  readonly force?: boolean | undefined;
  /** Images to tune on; labels are needed but for mode `stats` and with `targets`. */
  readonly train: DataOptions;
  /** Labelled images on which the result must be better, or nothing is written. */
  readonly val: DataOptions;
  /** Labelled images of another distribution, measured before and after too. */
  readonly shifted?: DataOptions | undefined;
  /** Test size, pixels: what the model is tuned for. */
  readonly size: number | Size;
  /** Size that the network was trained at, pixels. @default the file's, where it is fixed to one; else it must be given */
  readonly trainSize?: number | Size | undefined;
  /**
   * From an image to the network's input, at both sizes. Of options `resize` is the target at test size, and is in proportion at
   * the train size; of a whole transform crop and resize target are. @default what is found, else torchvision's preset
   */
  readonly transform?: Omit<TransformOptions, 'size'> | Transform | undefined;
  /**
   * What is tuned. `stats`: the last BatchNormalization's statistics; `fc`: the classifier; `paper`: both; `affine`: scale and
   * bias of the BatchNormalization too. @default 'paper'
   */
  readonly mode?: Mode | undefined;
  /**
   * How training images are seen. `v1`: by the test transform; `v2`: with flips, color jitter of 0.05, and a crop that moves
   * sideways. Not with `targets`, whose store says how. @default 'v2'
   */
  readonly trainTransform?: 'v1' | 'v2' | undefined;
  /** Views of each image with v2; epoch e sees view e mod V. @default 4, at most the epochs */
  readonly views?: number | undefined;
  /** @default 56 with v1, 31 with v2 */
  readonly epochs?: number | undefined;
  /** Learning rate. @default 0.008 · batch / 512 */
  readonly lr?: number | undefined;
  /** Of SGD. @default 0.9 */
  readonly momentum?: number | undefined;
  /** L2 penalty of all that trains. @default 1e-4 */
  readonly weightDecay?: number | undefined;
  /** Share of the target that goes to all classes alike. @default 0 */
  readonly labelSmoothing?: number | undefined;
  /** `step`: a tenth every 30 epochs; `cosine`: down to 0. @default 'step' */
  readonly schedule?: Schedule | undefined;
  /** A new order every epoch, or always that of the data. @default true */
  readonly shuffle?: boolean | undefined;
  /** A store of targets: train on what teachers said of its views instead of labels. */
  readonly targets?: string | undefined;
  /** T of `targets`: the loss is T² times the cross-entropy of the softmaxes at T. @default 1 */
  readonly temperature?: number | undefined;
  /** Stop after so many epochs without a lower NLL on half of `val`, and take the best; the other half decides. */
  readonly patience?: number | undefined;
  /** Features in memory; what is over goes to a file beside `out` until the end. @default 1 GiB */
  readonly cacheMemoryBytes?: number | undefined;
  /**
   * The folder of the features of workers (`fixResFeatures`): they are put together, and no training image is run at test size.
   * @default every image is run
   */
  readonly features?: string | undefined;
  /** Write although it is not better on `val` at test size. @default false */
  readonly allowWorse?: boolean | undefined;
  /** Stop at an image that cannot be decoded, or leave it out. @default 'fail' */
  readonly onBadImage?: 'fail' | 'skip' | undefined;
  /** Of every random choice: views, order, halves, limits. @default 0 */
  readonly seed?: number | undefined;
}
