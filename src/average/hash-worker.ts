import { parentPort } from 'node:worker_threads';
import { type HashTask, hashUntaken } from './hash-files.ts';

parentPort?.once('message', ({ jobs, next }: HashTask) => parentPort?.postMessage([...hashUntaken(jobs, next)]));
