import type { DataOptions } from '../../data/index.ts';
import type { RuntimeOptions } from '../../runtime/index.ts';
import type { OutputKind, TransformChoice } from '../../signature/index.ts';

/** What `calibrate` fits, and where it writes. */
export interface CalibrateOptions extends RuntimeOptions {
  /** An ONNX classifier. */
  readonly model: string;
  /** Labelled images that the network was not trained on: one half fits, the other judges. */
  readonly val: DataOptions;
  /** The calibrated model. */
  readonly out: string;
  /**
   * `temperature`: logits divided by one number, which leaves every answer as it is; `vector`: a scale and a shift of each class, for
   * many images of each class. @default 'temperature'
   */
  readonly method?: 'temperature' | 'vector' | undefined;
  /** What the model gives. @default 'auto': told by the graph, else by all values */
  readonly outputs?: 'auto' | Exclude<OutputKind, 'log-probabilities'> | undefined;
  /** Write the model although the half that judges shows no improvement. @default false */
  readonly allowWorse?: boolean | undefined;
  /** Replace the output if it exists. @default false */
  readonly force?: boolean | undefined;
  /** From an image to the network's input. @default torchvision's preset at the model's size */
  readonly transform?: TransformChoice | undefined;
  /** Stop at an image that cannot be decoded, or leave it out. @default 'fail' */
  readonly onBadImage?: 'fail' | 'skip' | undefined;
  /** Of the halves, of `limit`, and of the bootstrap. @default 0 */
  readonly seed?: number | undefined;
}
