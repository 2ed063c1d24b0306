export {
  type ClassOutput,
  classOutput,
  FLOAT_LIMITS,
  modelClasses,
  readClassOutput,
  sessionReading,
} from './classifier.ts';
export { missingCudaLibraries } from './cuda-environment.ts';
export { nativeFolder } from './cuda-library.ts';
export { DEVICE, type Device, type Provider, parseDevice } from './device.ts';
export {
  assertFixedBatch,
  batchOf,
  checkRuntime,
  DEFAULT_BATCH,
  halvingOptions,
  openSessions,
  type RuntimeOptions,
  type SessionChoice,
  sayProvider,
  sessionOptions,
  workersOf,
} from './open-sessions.ts';
export {
  type Batch,
  type BatchResult,
  readAhead,
  runBatches,
  type Stage,
} from './pipeline.ts';
export { GRAPH_OPTIMIZATIONS, type GraphOptimization, type RunResult } from './protocol.ts';
export { openSession, type Session, type SessionOptions } from './session.ts';
export type { Tensor, TensorData, Tensors } from './tensor.ts';
export { type BatchTimes, sharedTimes, speedRatio, summarizeTiming, type Timing } from './timing.ts';
