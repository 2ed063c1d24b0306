import { kindText } from '../core/index.ts';
import type { Described } from './inspected.ts';

/** A trainer's checkpoint: what its pickle holds (tensors, epoch, metric, candidates of weights) is read here once it can be. */
export function describeCheckpoint(kind: 'pytorch' | 'pytorch-legacy'): Described {
  return { kind, is: kindText(kind).is };
}
