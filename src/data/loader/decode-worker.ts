import { parentPort, workerData } from 'node:worker_threads';
import { type DecodePlan, decodeJob, type KeyedImage } from './decode-job.ts';

const port = parentPort;
if (port) {
  const plan = workerData as DecodePlan;
  port.on('message', async (images: KeyedImage[]) => {
    const decoded = await decodeJob(plan, images);
    port.postMessage(
      decoded,
      decoded.inputs.map(({ buffer }) => buffer as ArrayBuffer),
    );
  });
}
