export {
  allocateInput,
  applyTransform,
  type InputData,
  inputLength,
  type Transformed,
} from './apply-transform.ts';
export {
  type AugmentOptions,
  applyView,
  type Draw,
  drawView,
  type ViewRecord,
  viewPixels,
} from './augment.ts';
export { colorJitter, JITTER_OPS, type JitterOp, type JitterStep } from './color-jitter.ts';
export {
  type DecodeOptions,
  decodeImage,
  decodeImageFile,
  ORIENTATIONS,
  type Orientation,
  PIXEL_LIMIT,
} from './decode-image.ts';
export {
  type Geometry,
  isEnlarged,
  isPadded,
  planGeometry,
  RESIZE_RULES,
  type ResizeRule,
} from './geometry.ts';
export { type IdxArray, type IdxImages, readIdx, readIdxImages, readIdxLabels } from './idx.ts';
export { type Box, type Pixels, pixels, type Size, toGrey, toRgb } from './pixels.ts';
export { type ResampleOptions, resample } from './resample.ts';
export { INTERPOLATIONS, type Interpolation } from './resample-kernels.ts';
export {
  COLORS,
  type Color,
  canonicalJson,
  DTYPES,
  type InputType,
  LAYOUTS,
  type Layout,
  PRESETS,
  type Preset,
  resolveTransform,
  type Transform,
  type TransformOptions,
  transformHash,
} from './transform.ts';
