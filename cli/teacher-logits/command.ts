import { join } from 'node:path';
import {
  MANIFEST_FILE,
  type MakeTargetsRecord,
  type MergeTargetsRecord,
  makeTargets,
} from '../../src/distill/index.ts';
import { flagText } from '../shared/flag-text.ts';
import type { Gate } from '../shared/gate.ts';
import { readingDocument } from '../shared/reading-document.ts';
import type { Terminal } from '../shared/terminal.ts';
import { missedTeacherGates, parseTeacherGates, teacherGate } from './gates.ts';
import { makeTargetsOptions, type TeacherLogitsArguments } from './options.ts';
import { dryRunText, wholeText, workerText } from './text.ts';

/** How the parts were made, and the teachers read, as fields. */
const madeFields = ({ parts, readings, warnings }: MakeTargetsRecord) =>
  parts && {
    readings: readings.map(({ model, reading }) => ({ model, ...readingDocument(reading) })),
    warnings: warnings.map(flagText),
    parts_made: parts.made,
    parts_kept: parts.kept,
    seconds: parts.seconds,
    img_s_end2end: parts.imagesPerSecond,
  };

/** Prints a store whose parts are all there. @returns the exit code: 1 for a gate that is missed */
export function printWhole(
  record: MergeTargetsRecord,
  gates: readonly Gate[],
  more: ReturnType<typeof madeFields>,
  terminal: Terminal,
): number {
  const { fields, teachers, complete, manifestSha256, bytes, badImages } = record;
  const missed = complete ? [] : missedTeacherGates(gates, teachers);
  if (complete) terminal.wrote(join(fields.store, MANIFEST_FILE), 'the store is complete');
  terminal.print(
    {
      ...fields,
      complete,
      manifest_sha256: manifestSha256,
      bytes,
      teachers,
      gates: { passed: complete, missed },
      bad_images: badImages,
      ...more,
    },
    { record, missed },
    (shown) => wholeText(shown.record, shown.missed),
  );
  return complete ? 0 : 1;
}

export async function teacherLogits(args: TeacherLogitsArguments, terminal: Terminal): Promise<number> {
  const gates = parseTeacherGates(args.gate);
  const options = makeTargetsOptions(args, teacherGate(gates), terminal.environment);
  const record = await makeTargets(options, terminal.control);
  const { fields, teachers, estimate, parts, whole } = record;
  if (whole) return printWhole(whole, gates, madeFields(record), terminal);
  if (parts) {
    const { made, kept } = parts;
    const document = { ...fields, complete: false, parts_of_worker: made + kept, ...madeFields(record) };
    terminal.print(document, record, workerText);
    return 0;
  }
  terminal.print(
    {
      ...fields,
      dry_run: true,
      warnings: record.warnings.map(flagText),
      parts_of_worker: estimate.parts,
      estimated_bytes: estimate.bytes,
      bytes_per_row: estimate.bytesPerRow,
      estimated_seconds: estimate.seconds ?? null,
      teachers,
    },
    record,
    dryRunText,
  );
  return 0;
}
