import { createHash } from 'node:crypto';
import { type Model, matchGraphs, readPayload, type TensorRecord } from '../onnx/index.ts';
import type { AveragedTensor } from './averaged-tensor.ts';
import type { AverageRecord } from './record.ts';

/** Values that take the place of averages, by the template's tensor: what was measured on data. */
export type Given = ReadonlyMap<TensorRecord, Uint8Array>;

/** Tensors of the template, in the order of the plan. */
type PlannedTensors = readonly Pick<AveragedTensor, 'name' | 'template'>[];

/** Which tensors hold given values, and what these are, in the order of the plan. */
export function givenRecord(tensors: PlannedTensors, given: Given): NonNullable<AverageRecord['given']> {
  const hash = createHash('sha256');
  const names: string[] = [];
  for (const { name, template } of tensors) {
    const values = given.get(template);
    if (!values) continue;
    hash.update(values);
    names.push(name);
  }
  return { tensors: names, sha256: hash.digest('hex') };
}

/** The values that the subject holds where its record says that they were measured on data: they cannot be recomputed. */
export function givenValues(
  subject: Model,
  template: Model,
  tensors: PlannedTensors,
  names: readonly string[],
): Map<TensorRecord, Uint8Array> {
  const pairs = matchGraphs(template, subject).tensors;
  const wanted = new Set(names);
  return new Map(
    tensors.flatMap(({ name, template: record }) => {
      const own = wanted.has(name) ? pairs.get(record)?.tensor : undefined;
      return own ? [[record, readPayload(subject, own)] as const] : [];
    }),
  );
}

/** What verify says of values that it cannot recompute. */
export const givenNote = ({ tensors }: NonNullable<AverageRecord['given']>): string =>
  `${tensors.length} tensors were measured on data: compared with their recorded SHA-256, not recomputed`;

/** A finding if a file's given values are not those that its record names. */
export function changedGiven(
  path: string,
  tensors: PlannedTensors,
  given: Given | undefined,
  recorded: AverageRecord['given'],
): string[] {
  if (!given || givenRecord(tensors, given).sha256 === recorded?.sha256) return [];
  return [`${path}: the statistics that were measured on data are not those that were written (SHA-256 differs)`];
}
