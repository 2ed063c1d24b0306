import type { Candidate } from '../../snapshots/index.ts';
import type { OptionName, PlanOptions } from '../plan/plan-options.ts';
import type { Row } from '../rows/row.ts';

export interface MethodContext {
  /** The selected snapshots in plan order, at least one: a row has one coefficient for each. */
  readonly snapshots: readonly Candidate[];
  /** All candidates as the caller listed them. */
  readonly candidates: readonly Candidate[];
  /** Tells the user something that is no error. */
  readonly note: (text: string) => void;
}

/** A way to choose coefficients. Row names start with the method's and fit a file name. */
export interface Method {
  readonly summary: string;
  /** Where the formula comes from. */
  readonly source: string;
  /** The options that belong to it; beside another method they are a usage error. */
  readonly options: readonly OptionName[];
  /** Those of them that choose the method when `method` is absent. */
  readonly impliedBy: readonly OptionName[];
  readonly rows: (context: MethodContext, options: PlanOptions) => readonly Row[];
}
