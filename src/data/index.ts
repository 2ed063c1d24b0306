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
export { expandBraces } from './brace-range.ts';
export { type ClassMap, readClassMap } from './class-map.ts';
export {
  DATASET_FORMATS,
  type Dataset,
  type DatasetFormat,
  type EncodedImage,
  type RawPixels,
  type ReadyTensor,
  type Sample,
  type SampleData,
} from './dataset.ts';
export { assertClassCount, type DatasetOptions, detectFormat, openDataset } from './dataset-open.ts';
export { type NpyFile, openNpy } from './npy.ts';
export { type Selection, selectRows } from './select-rows.ts';
export { type Environment, type Part, parseShard, partsOf, type Shard } from './shard.ts';
export { compareUtf8 } from './utf8-order.ts';
