import { parentPort, workerData } from 'node:worker_threads';
import { type DecodePlan, type DecodeTask, decodeJob } from './decode-job.ts';

const port = parentPort;
if (port) {
  const plan = workerData as DecodePlan;
  const answer = async (task: DecodeTask): Promise<void> => {
    const decoded = await decodeJob(plan, task);
    port.postMessage(
      decoded,
      decoded.inputs.map(({ buffer }) => buffer as ArrayBuffer),
    );
  };
  // A rejection is a bug: unhandled, it ends the thread, and the pool reports it.
  port.on('message', (task: DecodeTask) => void answer(task));
}
