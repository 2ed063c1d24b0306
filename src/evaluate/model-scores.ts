import type { ClassOutput } from '../runtime/index.ts';
import type { Fact, OutputKind } from '../signature/index.ts';
import { asClasses, kindEvidence } from './output-kind.ts';
import { concatPredictions, type Predictions, scoreBatch, type ValidClasses } from './predictions.ts';

/** What one model said, batch by batch. */
export interface CollectedScores {
  /** @throws TemperError as scoreBatch */
  add(output: ClassOutput, keys: readonly string[], labels: ArrayLike<number>): void;
  end(): { readonly predictions: Predictions; readonly outputs: OutputKind };
}

/** Of a known kind. @param exact whether rows must be of the kind to the last roundings, and not only nearly (a quantized Softmax) */
function knownScores(kind: OutputKind, exact: boolean, valid: ValidClasses | undefined): CollectedScores {
  const parts: Predictions[] = [];
  return {
    add(output, keys, labels) {
      const scored = asClasses(output, kind);
      parts.push(scoreBatch(scored.output, keys, labels, { kind: scored.kind, valid, exact }));
    },
    end: () => ({ predictions: concatPredictions(parts), outputs: kind }),
  };
}

/** Of a kind that the values tell, all of them: until then rows are scored under each kind that they can be. */
function openScores(valid: ValidClasses | undefined): CollectedScores {
  const evidence = kindEvidence();
  const open = new Map<OutputKind, CollectedScores>();
  return {
    add(output, keys, labels) {
      const isFirst = open.size === 0;
      evidence.add(output);
      if (isFirst) for (const kind of evidence.possible) open.set(kind, knownScores(kind, false, valid));
      for (const kind of [...open.keys()]) {
        if (evidence.possible.includes(kind)) open.get(kind)?.add(output, keys, labels);
        else open.delete(kind);
      }
    },
    end() {
      const outputs = evidence.settled();
      const predictions = open.get(outputs)?.end().predictions ?? concatPredictions([]);
      return { predictions, outputs };
    },
  };
}

/**
 * Collects a model's predictions. What its outputs are is what the caller says, else what the graph says, else what all values
 * together say: never what one batch happened to look like.
 * Memory: 48 bytes an image, and as much again for each further kind that the values leave open.
 */
export function collectScores(
  said: OutputKind | undefined,
  graph: Fact<OutputKind> | undefined,
  valid: ValidClasses | undefined,
): CollectedScores {
  const kind = said ?? graph?.value;
  return kind === undefined ? openScores(valid) : knownScores(kind, kind !== graph?.value, valid);
}
