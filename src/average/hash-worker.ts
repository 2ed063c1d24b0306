import { parentPort, workerData } from 'node:worker_threads';
import { type HashJob, hashUntaken } from './hash-files.ts';

const { jobs, next } = workerData as { jobs: HashJob[]; next: Int32Array };
parentPort?.postMessage([...hashUntaken(jobs, next)]);
