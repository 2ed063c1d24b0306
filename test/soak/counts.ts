import { existsSync, readFileSync } from 'node:fs';
import type { Counts } from './messages.ts';

/** What all runs have tried. */
export interface KeptCounts {
  /** Of onnx-temper, at the last run. */
  readonly version: string;
  /** The seed at which each target goes on. */
  readonly seeds: Record<string, number>;
  /** Outcomes by sort of file or trouble: 'read', 'right', codes of typed errors, and 'fault'. */
  readonly tried: Counts;
}

export function keptCounts(path: string): KeptCounts {
  if (!existsSync(path)) return { version: '', seeds: {}, tried: {} };
  return JSON.parse(readFileSync(path, 'utf8')) as KeptCounts;
}

/** Adds outcomes of a sort. */
export function addCounts(counts: Counts, kind: string, outcomes: Readonly<Record<string, number>>): void {
  counts[kind] ??= {};
  const of = counts[kind];
  for (const [outcome, n] of Object.entries(outcomes)) of[outcome] = (of[outcome] ?? 0) + n;
}

export const totalOf = (counts: Counts): number =>
  Object.values(counts).reduce((sum, outcomes) => sum + Object.values(outcomes).reduce((a, b) => a + b, 0), 0);
