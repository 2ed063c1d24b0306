import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';

const KEY = 'onnx-temper:decoder';
const [OPEN, BUSY, DONE] = [0, 1, 2];
/** A thread that was ended in the middle never says that it is done: then the next does it again. */
const PATIENCE_MS = 1000;

/** Memory that this thread and the threads that it starts have in common. */
function shared(): Int32Array {
  const known = getEnvironmentData(KEY);
  if (known instanceof SharedArrayBuffer) return new Int32Array(known);
  const made = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  setEnvironmentData(KEY, made);
  return new Int32Array(made);
}
// When the module is loaded: threads get it as they are started.
const state = shared();

/** Runs `action` in the first thread of the process that comes here; the others wait until it is done. */
export function oncePerProcess(action: () => void): void {
  if (Atomics.compareExchange(state, 0, OPEN, BUSY) !== OPEN) {
    Atomics.wait(state, 0, BUSY, PATIENCE_MS);
    if (Atomics.load(state, 0) === DONE) return;
  }
  action();
  Atomics.store(state, 0, DONE);
  Atomics.notify(state, 0);
}
