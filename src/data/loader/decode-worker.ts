import { parentPort, workerData } from 'node:worker_threads';
import { type DecodePlan, decodeJob, type KeyedImage } from './decode-job.ts';

const port = parentPort;
if (port) {
  const plan = workerData as DecodePlan;
  const answer = async (images: KeyedImage[]): Promise<void> => {
    const decoded = await decodeJob(plan, images);
    port.postMessage(
      decoded,
      decoded.inputs.map(({ buffer }) => buffer as ArrayBuffer),
    );
  };
  // A rejection is a bug: unhandled, it ends the thread, and the pool reports it.
  port.on('message', (images: KeyedImage[]) => void answer(images));
}
