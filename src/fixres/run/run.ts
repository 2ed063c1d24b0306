import type { Control } from '../../core/index.ts';
import type { Transform } from '../../data/index.ts';
import type { Model } from '../../onnx/index.ts';
import type { AtSizes } from '../../signature/index.ts';
import type { Cut } from '../cut/cut.ts';
import type { FixResOptions } from '../options.ts';
import type { ImageSets } from './image-sets.ts';
import type { SizedModel } from './sized-model.ts';
import type { Tuning } from './tuning.ts';

/** What is tuned: the file, what of it takes both sizes, and where it is cut. */
export interface Subject extends SizedModel {
  readonly file: Model;
  readonly cut: Cut;
}

/** A run of `fixRes`, planned and opened. */
export interface Run {
  readonly options: FixResOptions;
  readonly subject: Subject;
  readonly images: Omit<ImageSets, 'close'>;
  readonly transforms: AtSizes<Transform>;
  readonly tuning: Tuning;
  readonly control: Control;
}
