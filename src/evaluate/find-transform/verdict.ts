import type { Transform } from '../../data/index.ts';
import { wilson } from '../intervals.ts';
import { labelWarnings } from '../label-warnings.ts';
import { mean } from '../metrics.ts';
import { comparePaired, holm, type PairedComparison } from '../paired.ts';
import type { Predictions } from '../predictions.ts';
import { imageLosses } from './losses.ts';

/** Below this an adjusted p is called a difference. */
const SIGNIFICANT = 0.05;
/**
 * Of the way from chance to always right: a network that surely gets less far than this classifies nothing with any of the
 * preprocessings, and the best of them is no find. Untrained networks do beat chance, as pictures of a class resemble each other.
 */
const LEAST_SKILL = 0.3;

/**
 * better: the best is told from what was given; given: what was given is the best, and told from the others; tied: the best and what
 * was given cannot be told apart; none: with none of them the network classifies these images; unlabelled: no labels, no proof.
 */
export type TransformVerdict = 'better' | 'given' | 'tied' | 'none' | 'unlabelled';

/** A preprocessing on the images that did not choose. Accuracies are absent without labels. */
export interface Finalist {
  readonly transform: Transform;
  /** Whether it is what the options and the files say. */
  readonly isGiven: boolean;
  /** Whether it cannot be told from the best: the best itself, and those of which the tests show no loss. */
  readonly tied: boolean;
  readonly top1: number | undefined;
  readonly top1Interval: { readonly lo: number; readonly hi: number } | undefined;
  readonly nll: number | undefined;
  /** Mean p of the best class. */
  readonly confidence: number;
  /** Entropy of the predicted classes plus mean ln(confidence), nats: what ranks without labels. */
  readonly information: number;
  /** The best against this one, with Holm's correction over all finalists; absent for the best. */
  readonly against: (PairedComparison & { readonly pHolm: number }) | undefined;
}

export interface Judged {
  readonly verdict: TransformVerdict;
  /** Best of the selection first (without labels, of these images); what was given is among them. */
  readonly finalists: readonly Finalist[];
  /** Signs that labels and classes do not fit, of the most accurate, in sentences; options are named in backticks. */
  readonly warnings: readonly string[];
}

/** A finalist with what was said of the images that did not choose. */
export interface Contestant {
  readonly transform: Transform;
  readonly isGiven: boolean;
  readonly predictions: Predictions;
}

function finalist(
  { transform, isGiven, predictions }: Contestant,
  labelled: boolean,
  against: Finalist['against'],
): Finalist {
  const { labels, top5, nll, confidence } = predictions;
  const right = labels.reduce((sum, label, i) => sum + Number(top5[5 * i] === label), 0);
  // `against.top1` is this one minus the best.
  const worse = against !== undefined && against.pHolm < SIGNIFICANT && against.top1.difference < 0;
  return {
    ...{ transform, isGiven, tied: !worse, against },
    top1: labelled ? right / labels.length : undefined,
    top1Interval: labelled ? wilson(right, labels.length) : undefined,
    nll: labelled ? mean(nll) : undefined,
    confidence: mean(confidence),
    information: -mean(imageLosses(predictions, false)),
  };
}

/**
 * Compares the best of the selection with each other finalist: exact McNemar, Holm over all of them.
 * @param contestants the best of the selection first
 * @param classes that the network chooses from
 */
export function judge(contestants: readonly Contestant[], classes: number, labelled: boolean): Judged {
  const [best, ...others] = contestants;
  if (!labelled || !best) {
    const finalists = contestants.map((one) => finalist(one, false, undefined));
    return { verdict: 'unlabelled', finalists: finalists.sort((a, b) => b.information - a.information), warnings: [] };
  }
  const compared = others.map(({ predictions }) => comparePaired(best.predictions, predictions));
  const adjusted = holm(compared.map(({ p }) => p));
  const finalists = [
    finalist(best, true, undefined),
    ...others.map((one, i) =>
      finalist(one, true, { ...(compared[i] as PairedComparison), pHolm: adjusted[i] as number }),
    ),
  ];
  const top1s = finalists.map(({ top1 }) => top1 ?? 0);
  const highest = contestants[top1s.indexOf(Math.max(...top1s))] as Contestant;
  const warnings = labelWarnings(highest.predictions, classes);
  // An untrained network sorts pictures too, into classes in any order: some other order then fits far better.
  const verdict = warnings.length > 0 ? 'none' : verdictOf(finalists, classes);
  return { verdict, finalists, warnings };
}

function verdictOf(finalists: readonly Finalist[], classes: number): TransformVerdict {
  const [best, ...others] = finalists;
  const chance = 1 / Math.max(2, classes);
  const skill = Math.max(...finalists.map(({ top1Interval }) => top1Interval?.lo ?? 0));
  if ((skill - chance) / (1 - chance) < LEAST_SKILL) return 'none';
  if (best?.isGiven) return others.length > 0 && others.every(({ tied }) => !tied) ? 'given' : 'tied';
  const given = others.find(({ isGiven }) => isGiven);
  if (given && !given.tied) return 'better';
  const beaten = given?.against && given.against.pHolm < SIGNIFICANT && given.against.top1.difference > 0;
  return beaten ? 'given' : 'tied';
}
