export interface AverageVerdict {
  readonly file: string;
  readonly ok: boolean;
  /** One line per finding. */
  readonly findings: readonly string[];
  /** What was not recomputed, and why; absent where everything was. */
  readonly notes?: readonly string[];
}
