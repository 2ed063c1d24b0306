import type { Dataset } from '../../data/index.ts';
import { kindEvidence } from '../../evaluate/index.ts';
import { type Batch, runBatches } from '../../runtime/index.ts';
import type { OutputKind } from '../../signature/index.ts';
import { keyHash } from '../store/index.ts';
import { graphKind, readAllOutputs, type TeacherStage } from './teacher-stage.ts';

/** Images that are looked at where a graph does not tell what its outputs are. */
const KIND_IMAGES = 1024;

/** Those images: all; of more the ones with the least hashes of their keys, whatever the order of the table. */
export function kindRows(dataset: Pick<Dataset, 'sample'>, rows: Uint32Array, most = KIND_IMAGES): Uint32Array {
  if (rows.length <= most) return rows;
  const hashes = BigUint64Array.from(rows, () => 0n);
  for (const [i, row] of rows.entries()) hashes[i] = keyHash(dataset.sample(row).key);
  const last = hashes.toSorted()[most - 1] as bigint;
  return rows.filter((_, i) => (hashes[i] as bigint) <= last);
}

/**
 * What networks give: what the caller says, else what the graph says, else what all values of {@link kindRows} say together,
 * as an evaluation decides: neither batches nor the order of images matter. A row that contradicts it later is an error.
 * @param batches of these images; asked for where they are needed
 * @returns per network
 * @throws TemperError UNSUPPORTED_GRAPH for a single score; what batches and sessions throw
 */
export async function decideKinds(
  teachers: readonly TeacherStage[],
  said: OutputKind | undefined,
  batches: () => AsyncIterable<Batch<{ readonly keys: readonly string[] }>>,
): Promise<OutputKind[]> {
  const known = teachers.map((stage) => said ?? graphKind(stage));
  const open = teachers.filter((_, i) => known[i] === undefined);
  if (open.length === 0) return known as OutputKind[];
  const evidence = open.map(() => kindEvidence());
  const stages = open.map(({ session, input, output, images }) => ({
    ...{ session, input, images },
    fetches: [output.name],
  }));
  for await (const { meta, outputs, rows } of runBatches(stages, batches())) {
    for (const [i, stage] of open.entries()) {
      evidence[i]?.add(readAllOutputs(stage, outputs[i] ?? {}, rows, meta.keys));
    }
    if (evidence.every(({ possible }) => possible.length === 1)) break;
  }
  return known.map(
    (kind, i) => kind ?? (evidence[open.indexOf(teachers[i] as TeacherStage)] as (typeof evidence)[number]).settled(),
  );
}
