export { type IdxArray, type IdxImages, readIdx, readIdxImages, readIdxLabels } from './idx.ts';
