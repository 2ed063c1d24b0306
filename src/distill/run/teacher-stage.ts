import { TemperError } from '../../core/index.ts';
import { assertKind, OUTPUT_KINDS, rowOf } from '../../evaluate/index.ts';
import { type ClassOutput, readClassOutput, type Session, type Tensors } from '../../runtime/index.ts';
import type { OutputKind, ValueInfo } from '../../signature/index.ts';

/** A teacher that runs. */
export interface TeacherStage {
  /** What messages call it. */
  readonly name: string;
  readonly session: Session;
  readonly input: ValueInfo;
  readonly output: ValueInfo;
  /** Which of a batch's inputs it takes. */
  readonly images: number;
  /** The outputs that are stored, in this order; null: all. */
  readonly classMap: readonly number[] | null;
}

export type TeacherOutputs = 'logits' | 'probabilities' | 'sigmoid';

/** What the last nodes of a network's graph say that its outputs are, before a class map takes some of them. */
export const graphKind = ({ session, output }: TeacherStage): OutputKind | undefined =>
  session.facts().outputKind(output.name)?.value;

/**
 * Each row must be of the kind that its network was taken for.
 * @param output all classes
 * @throws TemperError EXECUTION_OUTPUT
 */
export function assertKinds(stage: TeacherStage, output: ClassOutput, kind: OutputKind, keys: readonly string[]): void {
  const exact = graphKind(stage) !== kind;
  for (const [row, key] of keys.entries()) assertKind(rowOf(output, row), kind, exact, key);
}

/** @throws TemperError MISMATCH_VALUE for a class map that names an output which the network does not have */
function assertMapped({ name, classMap, output }: TeacherStage, classes: number): void {
  const outside = classMap?.find((index) => index >= classes);
  if (outside === undefined) return;
  const what = `${name}: the class map names output ${outside}, but ${output.name} has ${classes}`;
  throw new TemperError('MISMATCH_VALUE', what, { hint: 'Give the class map of this network (`classMap`).' });
}

/** A batch's outputs, all classes. @throws TemperError as readClassOutput; UNSUPPORTED_GRAPH for a single score */
export function readAllOutputs(
  stage: TeacherStage,
  outputs: Tensors,
  rows: number,
  keys?: readonly string[],
): ClassOutput {
  const found = readClassOutput(stage.session, stage.output, outputs, rows, keys);
  if (found.classes > 1) return found;
  throw new TemperError(
    'UNSUPPORTED_GRAPH',
    `${stage.name}: output ${stage.output.name} has one score for two classes`,
    {
      hint: 'Export the network with a score for each class: targets are stored class by class.',
    },
  );
}

/** The stored classes of a batch's outputs, in the order in which they are stored. @throws TemperError as readAllOutputs */
export function readOutputs(stage: TeacherStage, outputs: Tensors, rows: number, keys: readonly string[]): ClassOutput {
  return storedOutputs(stage, readAllOutputs(stage, outputs, rows, keys));
}

/** The stored ones of a batch's outputs. @throws TemperError MISMATCH_VALUE for a class map of another network */
export function storedOutputs(stage: TeacherStage, found: ClassOutput): ClassOutput {
  const { rows } = found;
  const { classMap } = stage;
  assertMapped(stage, found.classes);
  if (classMap === null) return found;
  const data = new Float64Array(rows * classMap.length);
  for (let row = 0, at = 0; row < rows; row++) {
    const first = row * found.classes;
    for (const index of classMap) data[at++] = found.data[first + index] as number;
  }
  return { ...found, classes: classMap.length, data };
}

/**
 * What is stored of one row, before centring: logits, ln p of probabilities, ln(p / (1 - p)) of sigmoid scores. A p of 0 counts
 * as the smallest positive value of the type that the network computed, a sigmoid score of 1 as the largest below it.
 * @param into [classes]
 */
export function logitsOfRow(output: ClassOutput, row: number, outputs: TeacherOutputs, into: Float64Array): void {
  const { data, classes } = output;
  const { score } = OUTPUT_KINDS[outputs];
  for (let i = 0; i < classes; i++) into[i] = score(data[row * classes + i] as number, output);
}
