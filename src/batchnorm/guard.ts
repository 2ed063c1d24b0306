import type { Control } from '../core/index.ts';
import { type ChosenData, noteBadImages } from '../data/index.ts';
import { evaluateSessions, type GuardVerdict, guardVerdict, labelWarnings } from '../evaluate/index.ts';
import { applyEdits, type Edit, externalDataOf, type Model } from '../onnx/index.ts';
import { openSession, sessionOptions } from '../runtime/index.ts';
import type { ResultOptions } from './job-options.ts';

/** What the guard found, and what is odd about its labels and pictures, in sentences with options in backticks; said as notes already. */
export interface Guarded {
  readonly verdict: GuardVerdict;
  readonly warnings: readonly string[];
}

/** Evaluates a model before and after an edit on the same images, in one pass. Nothing is written. */
export async function guardEdits(
  model: Model,
  edits: readonly Edit[],
  val: ChosenData,
  options: ResultOptions,
  control: Control,
): Promise<Guarded> {
  const externalData = externalDataOf(model);
  const open = (bytes: Uint8Array, label: string) =>
    openSession({ model: bytes, externalData, label, ...sessionOptions(options) });
  const sessions = [
    await open(applyEdits(model, []), model.path),
    await open(applyEdits(model, edits), `${model.path}, recalibrated`),
  ];
  try {
    const { evaluations, quarantine, pictureNotes } = await evaluateSessions(sessions, val, options, control);
    noteBadImages(quarantine, control.note);
    const [before, after] = evaluations;
    if (!before || !after) throw new Error('two models give two evaluations');
    const labels = labelWarnings(before.predictions, before.classes).map((text) => `${model.path}: ${text}`);
    for (const text of labels) control.note(text);
    return { verdict: guardVerdict(before.predictions, after.predictions), warnings: [...labels, ...pictureNotes] };
  } finally {
    await Promise.all(sessions.map((session) => session.close()));
  }
}
