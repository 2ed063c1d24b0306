export { expandBraces } from './datasets/brace-range.ts';
export { type ClassMap, readClassMap } from './datasets/class-map.ts';
export {
  DATASET_FORMATS,
  type Dataset,
  type DatasetFormat,
  relabelled,
  type Sample,
} from './datasets/dataset.ts';
export { assertFileKind } from './datasets/file-ranges.ts';
export { readIdx, readIdxImages, readIdxLabels } from './datasets/idx.ts';
export { openNpy } from './datasets/npy.ts';
export {
  assertImages,
  type ChosenData,
  type DataOptions,
  dataFiles,
  openData,
  rowsOfParts,
  rowsText,
  type SetPart,
} from './datasets/open-data.ts';
export { type DatasetOptions, openDataset } from './datasets/open-dataset.ts';
export { readParquetTable, type TableRows } from './datasets/parquet-table.ts';
export { type RowRange, rowsHash, selectRows } from './datasets/select-rows.ts';
export { partsOf, type Shard } from './datasets/shard.ts';
export { LEAST_TO_SPLIT, splitRows } from './datasets/split-rows.ts';
export {
  allocateInput,
  applyTransform,
  type InputData,
  inputLength,
} from './images/apply-transform.ts';
export {
  type DecodeOptions,
  decodeImage,
  decodeImageFile,
  imageSize,
  type Orientation,
} from './images/decode-image.ts';
export {
  type Framing,
  isEnlarged,
  isPadded,
  planGeometry,
  type ResizeRule,
  roundHalfEven,
} from './images/geometry.ts';
export type { InputStatistics } from './images/input-statistics.ts';
export {
  INTERPOLATIONS,
  type Interpolation,
  type Resampler,
  resizePixels,
} from './images/interpolation.ts';
export { type Box, type Pixels, type Size, toGrey } from './images/pixels.ts';
export { type ResampleOptions, resample } from './images/resample.ts';
export { PILLOW_FILTERS, type PillowFilter } from './images/resample-kernels.ts';
export { isTransform } from './images/stored-transform.ts';
export { thumbnail } from './images/thumbnail.ts';
export {
  assertUnitScale,
  CHANNELS,
  type Color,
  type FoundTransform,
  type InputType,
  type Layout,
  type Preset,
  resolveTransform,
  TRANSFORM_WORDS,
  type Transform,
  type TransformOptions,
  transformHash,
} from './images/transform.ts';
export { sizeText, transformFields } from './images/transform-fields.ts';
export { type BadImageRecord, badImageRecord, noteBadImages } from './loader/bad-images.ts';
export type { ImageFacts, PreparationTime, ViewOptions, Views } from './loader/decode-job.ts';
export {
  type BadImage,
  type BatchInput,
  type LoadedBatch,
  type LoaderOptions,
  loadBatches,
} from './loader/load-batches.ts';
export {
  type AugmentOptions,
  applyView,
  drawView,
  type ViewRecord,
  viewPixels,
} from './views/augment.ts';
export { colorJitter, JITTER_OPS, type JitterStep } from './views/color-jitter.ts';
