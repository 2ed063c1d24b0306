import type { TemperError } from '../core/index.ts';
import type { SizeFinding } from './findings.ts';

/**
 * - safe: it runs, and every operator before the scores treats a map of any size alike;
 * - suspect: it runs, but constants in the graph were made for another size, or an operator is not known;
 * - blocked: it does not run.
 */
export type VerdictKind = 'safe' | 'suspect' | 'blocked';

export interface SizeVerdict {
  readonly verdict: VerdictKind;
  /** Where and why; empty if safe. */
  readonly reason: string | undefined;
}

/** Findings that are told in full; the rest is counted. */
const MAX_TOLD = 2;

/** What a size is good for, from what the graph says and what the runtime said. */
export function sizeVerdict(
  findings: readonly SizeFinding[],
  failed: TemperError | undefined,
  doubt?: string,
): SizeVerdict {
  if (failed) return { verdict: 'blocked', reason: failed.message };
  const told = findings.slice(0, MAX_TOLD).map(({ node, operator, what }) => `${operator} ${node}: ${what}`);
  const more = findings.length > MAX_TOLD ? [`and ${findings.length - MAX_TOLD} more`] : [];
  const reasons = [...(doubt === undefined ? [] : [doubt]), ...told, ...more];
  return reasons.length === 0
    ? { verdict: 'safe', reason: undefined }
    : { verdict: 'suspect', reason: reasons.join('; ') };
}
