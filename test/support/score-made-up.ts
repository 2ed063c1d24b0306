import {
  openStore,
  type ScoreOptions,
  type SourceScore,
  type StudentBatch,
  scoreStudent,
} from '../../src/distill/index.ts';
import { openSession } from '../../src/runtime/index.ts';
import { seeded } from './random.ts';
import { makeModel } from './small-models.ts';
import { BAD_SAMPLE, sampleTable } from './target-store.ts';

/** The student's logits of a row of a made-up store: a pure function of it, float32. */
export function studentLogits(row: number, classes: number): Float64Array {
  const draw = seeded(77_777 + row);
  return Float64Array.from({ length: classes }, () => Math.fround(6 * draw() - 2));
}

/** Rows of a made-up store that have targets. */
export const goodRows = (samples: number, views: number): number[] =>
  Array.from({ length: samples * views }, (_, row) => row).filter((row) => Math.floor(row / views) !== BAD_SAMPLE);

/**
 * Scores made-up students against a made-up store. The student is a graph of one operator: with Identity its input is
 * what it answers.
 */
export async function scoreMadeUp(
  path: string,
  options: Partial<ScoreOptions> = {},
  student = studentLogits,
  op = 'Identity',
): Promise<{ scores: SourceScore[]; outputs: string }> {
  const store = openStore(path);
  const { n_samples, views, temperatures, teachers } = store.manifest;
  const classes = options.output === undefined ? (teachers[0]?.n_classes ?? 0) : Number(options.output);
  const table = sampleTable(n_samples);
  async function* batches(): AsyncGenerator<StudentBatch> {
    const all = goodRows(n_samples, views);
    // Batches that begin and end within samples and parts.
    for (let at = 0; at < all.length; at += 5) {
      const rows = all.slice(at, at + 5);
      const samples = rows.map((row) => table.sample(Math.floor(row / views)));
      const data = Float32Array.from(rows.flatMap((row) => [...student(row, classes)]));
      yield {
        images: { type: 'float32', dims: [rows.length, classes], data },
        keys: samples.map(({ key }) => key),
        labels: samples.map(({ label }) => label as number),
        rows,
      };
    }
  }
  const model = makeModel({
    inputs: [['x', 'FLOAT', ['N', classes]]],
    outputs: [['y', 'FLOAT', ['N', classes]]],
    nodes: [[op, ['x'], ['y']]],
  });
  const session = await openSession({ model, device: 'cpu', threads: 1 });
  try {
    const { output: _, ...rest } = options;
    const scores = await scoreStudent(store, session, batches(), {
      temperatures,
      labelled: true,
      worst: 3,
      outputs: 'logits',
      ...rest,
    });
    return { scores, outputs: options.outputs ?? 'logits' };
  } finally {
    await session.close();
  }
}
