import { TemperError } from '../../src/core/index.ts';
import type { TeacherFields, TeacherGate } from '../../src/distill/index.ts';
import { type Gate, missedGates, parseGate } from '../shared/gate.ts';

/** Fields that teachers are scored by. */
const SCORED = ['top1', 'top5', 'nll'];

/** @throws TemperError USAGE, also for a field that is not measured here */
export function parseTeacherGates(text: string | undefined): Gate[] {
  const gates = text === undefined ? [] : text.split(',').map(parseGate);
  const other = gates.find(({ field }) => !SCORED.includes(field));
  if (!other) return gates;
  throw new TemperError('USAGE', `--gate ${other.text}: teachers are scored by ${SCORED.join(', ')}`, {
    hint: 'Measure the rest with eval-ckpt.',
  });
}

/** Why teachers miss gates; without labels nothing is measured, and every gate is missed. */
export function missedTeacherGates(gates: readonly Gate[], teachers: readonly TeacherFields[]): string[] {
  return teachers.flatMap(({ model, top1, top5, nll }) =>
    missedGates(gates, { model, ...(top1 === null ? {} : { top1, top5, nll }) }),
  );
}

/** The gates as the job takes them; undefined for none. */
export const teacherGate = (gates: readonly Gate[]): TeacherGate | undefined =>
  gates.length === 0 ? undefined : (teachers) => missedTeacherGates(gates, teachers).length === 0;
