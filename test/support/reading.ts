import type { ModelReading } from '../../src/signature/index.ts';

/** A made-up reading. */
export const READING: ModelReading = {
  input: { value: 'x', source: 'the only input of the graph' },
  input_type: { value: 'float32', source: 'input x' },
  layout: { value: 'NCHW', source: 'input x' },
  channels: { value: 3, source: 'input x' },
  size: { value: 'any', source: 'input x' },
  batch: { value: 'any', source: 'input x' },
  output_kind: { value: 'logits', source: 'the graph (Gemm)' },
};
