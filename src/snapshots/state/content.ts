import type { StateFacts } from '../state-table.ts';
import type { StateCandidate } from './candidate.ts';

/** What a file of a checkpoint holds. */
export interface StateContent {
  readonly candidates: readonly StateCandidate[];
  readonly facts: StateFacts;
}
