import { parentPort, workerData } from 'node:worker_threads';
import { type HashJob, hashSync } from './hash-files.ts';

parentPort?.postMessage(hashSync(workerData as HashJob[]));
