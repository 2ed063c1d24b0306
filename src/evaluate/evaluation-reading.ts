import { classOutput, sessionReading } from '../runtime/index.ts';
import {
  type FoundOutput,
  type ModelReading,
  type PerModel,
  type TransformChoice,
  valueFor,
} from '../signature/index.ts';
import type { ModelEvaluation } from './evaluate-stages.ts';

/** What of an evaluation's options decides how models are read. */
interface ReadingOptions {
  readonly input?: string | undefined;
  readonly output?: string | undefined;
  readonly outputs?: string | undefined;
  readonly transform?: PerModel<TransformChoice> | undefined;
  readonly validClasses?: string | undefined;
}

/** How model i of n was read for its evaluation: what its file left open, its outputs on all images told. */
export function evaluationReading(
  evaluation: ModelEvaluation,
  i: number,
  n: number,
  options: ReadingOptions,
): ModelReading {
  const { session, outputs: kind, classes, transform } = evaluation;
  const { output, outputs = 'auto', validClasses } = options;
  const told = outputs === 'auto' ? session.facts().outputKind(classOutput(session, output).name) : undefined;
  const source = outputs === 'auto' ? 'the values of all images' : '`outputs`';
  const found: FoundOutput = {
    kind: told ?? { value: kind, source },
    classes: validClasses === undefined ? { value: classes, source: 'the first batch' } : undefined,
  };
  const choice = valueFor(options.transform ?? {}, i, n, 'transform');
  return sessionReading(session, options, { found, transform, choice });
}
