import type { Color, Framing, Interpolation, Orientation, Resampler, ResizeRule, Size } from '../../data/index.ts';
import type { ModelRecord } from '../../onnx/index.ts';

/** The resize target: so many pixels for an input of that size (in proportion at others), or the size over a ratio. */
export type Target = { readonly is: Size; readonly of: Size } | { readonly ratio: number };

/** What is said of a transform, each field by itself. Mean and deviation are of pixels from 0 to 1, red first. */
export interface StatedFields {
  readonly size?: Size;
  readonly target?: Target;
  readonly resizeRule?: ResizeRule;
  readonly interpolation?: Interpolation;
  readonly resampler?: Resampler;
  readonly framing?: Framing;
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  /** Of padding, 0 to 255; what the rule implies, where it is absent. */
  readonly fill?: readonly number[];
  readonly color?: Color;
  readonly orientation?: Orientation;
}

/** What one source says. */
export interface Stated extends StatedFields {
  /** For messages: "config.json (pretrained_cfg)". */
  readonly source: string;
  /**
   * Mean and deviation are of what the network is fed. Absent: of the whole way from pixels, of which the graph may do a part.
   */
  readonly fed?: boolean;
  /** What the source says for another input size: timm's training size. */
  readonly other?: StatedFields;
}

/** Of several sources, and what is to be said about them. */
export interface Sources {
  readonly stated: readonly Stated[];
  readonly notes: readonly string[];
}

/** The target at an input size. */
export function targetAt(target: Target, size: Size): Size {
  const at = (name: keyof Size): number =>
    'ratio' in target
      ? Math.floor(size[name] / target.ratio)
      : size[name] === target.of[name]
        ? target.is[name]
        : Math.floor((size[name] * target.is[name]) / target.of[name]);
  return { width: at('width'), height: at('height') };
}

/** A model, as far as its metadata goes. */
export interface WithMetadata {
  readonly record: Pick<ModelRecord, 'metadata'>;
}
