import { sessionReading } from '../runtime/index.ts';
import {
  type ModelReading,
  type OutputKind,
  type PerModel,
  type TransformChoice,
  valueFor,
} from '../signature/index.ts';
import type { ModelEvaluation } from './evaluate-stages.ts';

/** What of an evaluation's options decides how models are read. */
interface ReadingOptions {
  readonly input?: string | undefined;
  readonly output?: string | undefined;
  readonly outputs?: 'auto' | OutputKind | undefined;
  readonly transform?: PerModel<TransformChoice> | undefined;
  readonly validClasses?: string | undefined;
}

/** How model i of n was read for its evaluation: what its file left open, its outputs on all images told. */
export function evaluationReading(
  { session, outputs: kind, classes, transform }: ModelEvaluation,
  i: number,
  n: number,
  options: ReadingOptions,
): ModelReading {
  // Of a subset of the classes the evaluation knows the subset.
  const all = options.validClasses === undefined ? classes : undefined;
  const choice = valueFor(options.transform ?? {}, i, n, 'transform');
  return sessionReading(
    session,
    options,
    { kind, classes: all, source: 'the values of all images' },
    { transform, choice },
  );
}
