export { type ClassOutput, classOutput, imageInput, readClassOutput } from './classifier.ts';
export { type Device, type Provider, parseDevice } from './device.ts';
export {
  type Batch,
  type BatchResult,
  readAhead,
  runBatches,
  type Stage,
  summarizeTiming,
  type Timing,
} from './pipeline.ts';
export { GRAPH_OPTIMIZATIONS, type GraphOptimization } from './protocol.ts';
export { openSession, type RunResult, type Session, type SessionOptions } from './session.ts';
export type { Tensor, TensorData, Tensors, TensorType, ValueInfo } from './tensor.ts';
