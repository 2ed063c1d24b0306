import { CONVOLUTION, CONVOLUTION_MACS } from './convolution.ts';
import { ELEMENTWISE } from './elementwise.ts';
import { INDEXING } from './indexing.ts';
import type { CountMacs, Rule } from './known.ts';
import { MATRIX, MATRIX_MACS } from './matrix.ts';
import { RESHAPING } from './reshaping.ts';

/** The shape of each operator's outputs, by type (domain ai.onnx; schemas of all opsets from 7 on). */
export const RULES: ReadonlyMap<string, Rule> = new Map(
  [ELEMENTWISE, CONVOLUTION, MATRIX, RESHAPING, INDEXING].flatMap((table) => Object.entries(table)),
);

/** Operators that multiply and accumulate: convolutions and matrix products. All others count as free. */
export const MACS: ReadonlyMap<string, CountMacs> = new Map(
  [CONVOLUTION_MACS, MATRIX_MACS].flatMap((table) => Object.entries(table)),
);
