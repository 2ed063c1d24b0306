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
export { type IdxArray, type IdxImages, readIdx, readIdxImages, readIdxLabels } from './idx.ts';
export { type NpyFile, openNpy } from './npy.ts';
export { type Selection, selectRows } from './select-rows.ts';
export { type Environment, type Part, parseShard, partsOf, type Shard } from './shard.ts';
export { compareUtf8 } from './utf8-order.ts';
