import type { Part } from '../../../src/report/index.ts';
import { flagText } from '../flag-text.ts';

/** What is odd, beside the numbers: sentences of a job, in the words of the command line. */
export const warningParts = (warnings: readonly string[]): Part[] =>
  warnings.map((text) => ({ kind: 'verdict', tone: 'caution', text: flagText(text) }));
