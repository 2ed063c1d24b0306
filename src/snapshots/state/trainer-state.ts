import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { openFile, readBytes } from '../../core/index.ts';
import type { StateFacts } from '../state-table.ts';
import { factsOf } from './run-facts.ts';

const MAX_BYTES = 16 << 20;

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const asNumber = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;

/** What was evaluated at the step of the checkpoint: accuracy where there is one, else the loss. */
function evaluated(history: unknown, step: number | undefined): StateFacts['metric'] {
  const entries: unknown[] = Array.isArray(history) ? history : [];
  const at = entries.findLast(
    (entry): entry is Record<string, unknown> => isObject(entry) && entry.step === step && 'eval_loss' in entry,
  );
  for (const name of ['eval_accuracy', 'eval_loss']) {
    const value = asNumber(at?.[name]);
    if (value !== undefined) return { name, value };
  }
  return undefined;
}

/** What Hugging Face's Trainer says of a checkpoint in `trainer_state.json` beside it; nothing where there is none, or a broken one. */
export function trainerFacts(weights: string): StateFacts {
  const path = join(dirname(weights), 'trainer_state.json');
  if (!existsSync(path)) return {};
  const source = openFile(path);
  try {
    if (source.size > MAX_BYTES) return {};
    const state: unknown = JSON.parse(Buffer.from(readBytes(source, 0, source.size)).toString('utf8'));
    if (!isObject(state)) return {};
    const step = asNumber(state.global_step);
    return factsOf(asNumber(state.epoch), step, evaluated(state.log_history, step));
  } catch {
    return {};
  } finally {
    source.close();
  }
}
