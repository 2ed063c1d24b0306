import { parentPort, workerData } from 'node:worker_threads';
import type { OpenedFile } from '../core/index.ts';
import { hashUntaken } from './hash-files.ts';

const { jobs, next } = workerData as { jobs: OpenedFile[]; next: Int32Array };
parentPort?.postMessage([...hashUntaken(jobs, next)]);
