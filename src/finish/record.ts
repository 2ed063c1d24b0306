import { pValueStatement } from '../core/index.ts';
import type { WrittenModel } from '../onnx/index.ts';
import { type FinalRecord, gainText } from './final.ts';
import type { ReadRun } from './read.ts';
import type { Made } from './recipe.ts';
import type { Proposal, StepName } from './steps/step.ts';
import type { UsedModel } from './used-model.ts';
import { gainP } from './verdict.ts';

/** A step, and what was decided of it. */
export interface DecidedStep {
  readonly step: StepName;
  readonly title: string;
  /** Why it was not tried; absent where it was. */
  readonly untried?: string;
  readonly proposal?: Proposal;
  /** Its result is what the next step begins with. */
  readonly taken: boolean;
  /** The level that it was judged at. */
  readonly level: number;
  /** Wall time; of results that were there already, 0. */
  readonly seconds: number;
}

/** What a run gave. */
export interface FinishRecord {
  readonly read: ReadRun;
  readonly steps: readonly DecidedStep[];
  readonly final: FinalRecord;
  /** Some step was taken: the model is not the last snapshot any more. */
  readonly improved: boolean;
  readonly model: WrittenModel;
  readonly made: Made;
  readonly recipe: string;
  /** What code that runs it needs to know; absent where it takes numbers that are ready. */
  readonly used: UsedModel | undefined;
  /** Files in `outDir`, the model first. */
  readonly outputs: readonly string[];
  readonly warnings: readonly string[];
  /** One line for people. */
  readonly text: string;
  readonly seconds: number;
}

/** Why a step was taken or left out, in a sentence without its end. */
export function decisionText({ title, proposal, untried, taken, level }: DecidedStep): string {
  if (!proposal) return `${title}: ${untried ?? 'switched off'}`;
  const { chose, evidence, doubt, forced } = proposal;
  if (doubt !== undefined) return `${title}: left out, ${chose}: ${doubt}`;
  if (!evidence) {
    return forced && taken
      ? `${title}: ${chose}, as the budget asks for it (${forced})`
      : `${title}: nothing better than what there is (${chose})`;
  }
  const found = `${gainText(evidence)} on ${evidence.images} images that chose nothing`;
  const needed = `${pValueStatement(gainP(evidence))} for a gain, needed at most ${level.toPrecision(2)}`;
  return taken
    ? `${title}: ${chose}, ${found} (${needed})`
    : `${title}: left out, ${chose} brings nothing beyond noise: ${found} (${needed})`;
}

/** The result in a sentence. */
export function resultText(steps: readonly DecidedStep[], { gains, rows }: FinalRecord): string {
  const n = Number(rows[0]?.n_images);
  const taken = steps.filter((one) => one.taken);
  if (taken.length === 0) return 'nothing beats your last checkpoint beyond noise: model.onnx is that checkpoint';
  const what = taken.map(({ proposal }) => proposal?.chose).join('; ');
  // Of a calibration alone: it moves no answer.
  const gain = gains.total ?? gains.steps[0];
  if (!gain) throw new Error('a step that was taken has a gain');
  const shown = gain.pHolm < 0.05 ? '' : ', which these images cannot tell from noise';
  return `${what}: ${gainText(gain)} against your last checkpoint, on ${n} images that no step has seen${shown}`;
}
