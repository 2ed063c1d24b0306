export { FLOAT_BYTES, type FloatType } from './float-blocks.ts';
export { type BlockKernel, blockKernel, type NonFinite, type Row } from './kernel.ts';
